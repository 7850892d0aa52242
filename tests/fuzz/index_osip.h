/* SPDX-License-Identifier: BSD-3-Clause */
/* index_osip.h - one field as our index and libosip2 have it, and whether their difference is a known one. Inside this
 * fuzz target only. */
#pragma once
#include "dataplane/sip/sip.h"
#include <osipparser2/osip_parser.h>

#define SIZE_MAX_IN 16384

enum field {
	F_METHOD,
	F_STATUS,
	F_SCHEME,
	F_USER,
	F_HOST,
	F_PORT,
	F_N_PARAMS,
	F_PARAM,
	F_LR,
	F_TAG,
	F_CALL_ID,
	F_CSEQ,
	F_BRANCH,
	F_RECEIVED,
	F_RPORT,
	F_N_VIAS,
	F_N_ROUTES,
	F_N_RECORD_ROUTES,
	F_MAX_FORWARDS,
	F_URI,
	F_CONTACT,
	F_TIMESTAMP,
	F_PROXY_REQUIRE,
	F_RETRY_AFTER,
	F_LENGTH,
	F_BODY,
	FIELDS
};

/* Via, Route or Record-Route: how many values there are, and how many from the first on libosip2 has for certain. */
struct list {
	unsigned n, sure;
	enum { ALL_SURE, UNREAD, FOLDED, STOPPED } next; /* what is the matter with the value behind them */
};

/* One field, as both have it. */
struct pair {
	const struct sb_sip *sip;
	osip_message_t *osip; /* libosip2 was shown the whole message */
	enum field field;
	struct sb_span at;     /* where ours stands, if it is a URI */
	struct sb_span within; /* the Via value or the URI parameters it stands in */
	struct list list;      /* that it is the length of */
	const char *ours, *theirs;
	size_t ours_len, theirs_len;
};

/* Is there a row for it in the table of documented differences? */
bool difference_is_known(const struct pair *p);
