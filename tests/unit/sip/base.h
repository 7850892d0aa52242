/* SPDX-License-Identifier: BSD-3-Clause */
/* base.h - what the tests of SIP text share. */
#pragma once
#include "dataplane/sip/compose.h"
#include "dataplane/sip/osip.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "tests/unit/sip/msg.h"

#define assert_span(m, span, want)                                                                                     \
	do {                                                                                                           \
		struct sb_span s_ = (span);                                                                            \
		char got_[512];                                                                                        \
		snprintf(got_, sizeof got_, "%.*s", s_.len, (m)->text + s_.off);                                       \
		assert_string_equal(got_, want);                                                                       \
	} while (0)

/* The two parsers as a worker has them. */
static inline int group_osip(void **state)
{
	static char arena[65536];
	sb_osip_init();
	sb_osip_arena(arena, sizeof arena);
	return 0;
}

/* A request that all is right with; extra lines and another Via, To or start line can be put in. */
#define START          "INVITE sip:+442071234567@192.0.2.10 SIP/2.0\r\n"
#define VIA            "Via: SIP/2.0/UDP 198.51.100.7:5070;branch=z9hG4bKabc;rport\r\n"
#define FROM           "From: \"A\" <sip:a@example.com>;tag=f1\r\n"
#define TO             "To: <sip:b@example.com>\r\n"
#define CALL_ID        "Call-ID: c1@example.com\r\n"
#define CSEQ           "CSeq: 7 INVITE\r\n"
#define MF             "Max-Forwards: 70\r\n"
#define END            "Content-Length: 0\r\n\r\n"
#define REQUEST(extra) START VIA FROM TO CALL_ID CSEQ MF extra END
