/* SPDX-License-Identifier: BSD-3-Clause */
/* reading.c - all of reading in one translation unit, so that the compiler sees it whole. It is compiled once for every
 * processor, and again, with a suffix for its names, for those with AVX2 and with AVX-512: the same source, the same
 * results. */
#ifdef SB_READING
#define SB_JOIN2(a, b)      a##b
#define SB_JOIN(a, b)       SB_JOIN2(a, b)
#define sb_ack_of           SB_JOIN(sb_ack_of, SB_READING)
#define sb_brief            SB_JOIN(sb_brief, SB_READING)
#define sb_index            SB_JOIN(sb_index, SB_READING)
#define sb_line_at          SB_JOIN(sb_line_at, SB_READING)
#define sb_line_find        SB_JOIN(sb_line_find, SB_READING)
#define sb_line_name        SB_JOIN(sb_line_name, SB_READING)
#define sb_method_of        SB_JOIN(sb_method_of, SB_READING)
#define sb_host_read        SB_JOIN(sb_host_read, SB_READING)
#define sb_name_addr_read   SB_JOIN(sb_name_addr_read, SB_READING)
#define sb_param_next       SB_JOIN(sb_param_next, SB_READING)
#define sb_read_cseq_method SB_JOIN(sb_read_cseq_method, SB_READING)
#define sb_read_field       SB_JOIN(sb_read_field, SB_READING)
#define sb_read_finish      SB_JOIN(sb_read_finish, SB_READING)
#define sb_read_length      SB_JOIN(sb_read_length, SB_READING)
#define sb_read_plain       SB_JOIN(sb_read_plain, SB_READING)
#define sb_read_start_line  SB_JOIN(sb_read_start_line, SB_READING)
#define sb_read_top_route   SB_JOIN(sb_read_top_route, SB_READING)
#define sb_read_via         SB_JOIN(sb_read_via, SB_READING)
#define sb_route_first      SB_JOIN(sb_route_first, SB_READING)
#define sb_scan             SB_JOIN(sb_scan, SB_READING)
#define sb_sip_route_next   SB_JOIN(sb_sip_route_next, SB_READING)
#define sb_sip_via_at       SB_JOIN(sb_sip_via_at, SB_READING)
#define sb_uri_number       SB_JOIN(sb_uri_number, SB_READING)
#define sb_uri_param        SB_JOIN(sb_uri_param, SB_READING)
#define sb_uri_parse        SB_JOIN(sb_uri_parse, SB_READING)
#define sb_uri_read         SB_JOIN(sb_uri_read, SB_READING)
#define sb_via_below        SB_JOIN(sb_via_below, SB_READING)
#define sb_via_read         SB_JOIN(sb_via_read, SB_READING)
#define sb_via_target       SB_JOIN(sb_via_target, SB_READING)
#endif
#include "dataplane/sip/line.c"
#include "dataplane/sip/scan.c"
#include "dataplane/sip/value.c"
#include "dataplane/sip/uri.c"
#include "dataplane/sip/via.c"
#include "dataplane/sip/route.c"
#include "dataplane/sip/start.c"
#include "dataplane/sip/fields.c"
#include "dataplane/sip/plain.c"
#include "dataplane/sip/index.c"
#include "dataplane/sip/brief.c"
