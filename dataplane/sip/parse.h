/* SPDX-License-Identifier: BSD-3-Clause */
/* parse.h - readers of single values, shared by the files of the sip folder. Each reads text[at, end), which is part of
 * one header line, and sets *odd where it accepts something that libosip2 had better look at. */
#pragma once
#include "dataplane/sip/sip.h"

/* One ";name=value". */
struct sb_param {
	uint32_t semicolon; /* its offset */
	struct sb_span name;
	struct sb_span value; /* quotes included; len 0 and off 0: no '=' */
};

/* The parameter at *at, which is moved behind it. 1; 0: there is none at *at (blanks skipped); negative: malformed. */
int sb_param_next(const char *text, uint32_t *at, uint32_t end, struct sb_param *param, bool *odd);

/* A name-addr or addr-spec without the parameters behind it. */
struct sb_name_addr {
	struct sb_span uri;
	bool brackets;
	uint32_t end; /* offset behind '>' or the URI */
};
int sb_name_addr_read(const char *text, uint32_t at, uint32_t end, struct sb_name_addr *addr, bool *odd);

/* One Via value; *at is moved to its comma or to end. SB_E_INVAL: via is filled as far as it could be read. */
int sb_via_read(const char *text, uint32_t *at, uint32_t end, struct sb_via *via, bool *odd);

/* sb_uri_parse with a word on how sure it is. */
int sb_uri_read(const char *text, struct sb_span at, struct sb_uri *uri, bool *odd);

/* The first value of the first Route line. next: offset of the second Route line, 0: none. Sets the walk on what is
 * behind it. SB_E_INVAL: it is malformed. */
struct sb_line;
int sb_route_first(const char *text, const struct sb_line *line, uint32_t next, struct sb_route *route,
        struct sb_route_walk *walk, bool *odd);

/* A host name, IPv4 address or IPv6 address in brackets at *at, which is moved behind it. host is without brackets. */
int sb_host_read(const char *text, uint32_t *at, uint32_t end, struct sb_span *host, bool *odd);

/* Methods are told apart with their case (7.1). */
enum sb_method sb_method_of(const char *text, struct sb_span name);
