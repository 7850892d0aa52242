/* SPDX-License-Identifier: BSD-3-Clause */
/* sip.h - what a proxy needs to know of one SIP message: offsets into its text, found in one pass.
 * Owner: whoever owns the text; the index is valid as long as the text is, and copies as a plain struct.
 * Knows nothing of DPDK, sockets, clocks, config files. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SB_SIP_MAX        65535 /* bytes of a datagram: offsets are 16 bits */
#define SB_SIP_PAD        64    /* readable bytes that must follow a text, so that vectors may over-read */
#define SB_SIP_LINES_MAX  512   /* header lines; more is answered 400 */
#define SB_SIP_VALUES_MAX 64    /* Via or Route values that are walked */

struct sb_span {
	uint16_t off, len;
};

enum sb_method {
	SB_M_OTHER,
	SB_M_INVITE,
	SB_M_ACK,
	SB_M_CANCEL,
	SB_M_BYE,
	SB_M_OPTIONS,
	SB_M_REGISTER,
	SB_M_PRACK,
	SB_M_UPDATE,
	SB_M_INFO,
	SB_M_SUBSCRIBE,
	SB_M_NOTIFY,
	SB_M_REFER,
	SB_M_MESSAGE,
	SB_M_PUBLISH,
};

enum sb_scheme { SB_SCHEME_OTHER, SB_SCHEME_SIP, SB_SCHEME_SIPS, SB_SCHEME_TEL };

/* What reading a datagram came to. */
enum sb_read {
	SB_READ_REQUEST,
	SB_READ_RESPONSE,
	SB_READ_BAD_REQUEST,  /* error/error_text say what to answer; via and the rest are filled as far as they were
	                         read.  answerable says whether a reply can be composed */
	SB_READ_BAD_RESPONSE, /* drop_bad_response */
	SB_READ_SHED_ACK,     /* by sb_core_read() alone: the ACK of a 503 of ours; it was read no further */
	SB_READ_NOT_SIP,      /* drop_not_sip */
	SB_READ_KEEPALIVE,    /* only CRLF, blanks or nothing */
	SB_READ_STUN,
	SB_READ_RTP,
};

/* One Via value. */
struct sb_via {
	struct sb_span value;    /* from "SIP/2.0/UDP" to before the comma or line end, trailing blanks cut */
	struct sb_span host;     /* IPv6 without brackets */
	struct sb_span branch;   /* parameter value, len 0: none */
	struct sb_span received; /* parameter value (IPv6 brackets cut), len 0: none; off is where it stands or would */
	struct sb_span rport;    /* the digits; len 0: none or empty; off 0: no '=' either */
	uint16_t port;           /* of sent-by; 0: none given (5060) */
	uint16_t rport_at;       /* offset right behind the name "rport"; 0: parameter absent */
	uint16_t received_at;    /* offset of the ';' that begins ";received=..."; 0: absent */
	uint16_t next; /* offset where the next value begins (this line or the next Via line); 0: this is the last */
	bool multi;    /* more values follow in the same header line */
};

struct sb_uri {
	enum sb_scheme scheme;
	struct sb_span user;   /* escapes untouched, without ;params of the user part and password */
	struct sb_span host;   /* without brackets; for tel: empty, the number is user */
	uint16_t port;         /* 0: none */
	struct sb_span params; /* what follows host:port, from its ';', up to '?' */
	bool lr;
};

/* Walks Route or Record-Route values over all their lines. Begin with {.line = sip->route_line}. */
struct sb_route_walk {
	uint16_t line; /* offset of the header line the next value is in; 0: none left */
	uint16_t at;   /* offset of the next value in it; 0: at the line's first */
	uint16_t n;    /* values given so far: bounded by SB_SIP_VALUES_MAX */
};

struct sb_route {
	struct sb_span value; /* whole value with <> and parameters */
	struct sb_span uri;   /* inside <> */
	struct sb_uri parsed;
	uint16_t line;     /* header line it stands in */
	uint16_t line_end; /* offset behind that line's CRLF */
	bool first, last;  /* of its line */
};

struct sb_sip {
	const char *text;
	uint32_t text_len;   /* as received */
	uint32_t len;        /* that counts: header and Content-Length bytes of body (R3261-18) */
	uint16_t start;      /* offset of the start line: line ends before it (R3261-7.5) are skipped and not relayed */
	uint16_t header_end; /* offset behind the last whole header line: the empty line, if there is one */
	uint16_t body;       /* offset of the byte behind the empty line; 0: there is none (error) */

	uint8_t is_response;
	uint8_t method; /* enum sb_method; of a response: from CSeq */
	uint16_t status;
	uint16_t error;         /* BAD_REQUEST: 400, 416, 420, 483, 501, 505 ... 0: none */
	const char *error_text; /* reason phrase to send with it; static */
	bool answerable;        /* enough was found for an answer to be known by */
	bool odd;               /* the fast pass was not certain: libosip2 was (or is to be) asked */

	struct sb_span method_text; /* request line, or CSeq of a response */
	struct sb_span uri_text;    /* Request-URI as written */
	struct sb_uri uri;
	uint16_t first_header; /* offset of the line behind the start line */

	uint16_t via_line;      /* offset of the first Via header line ("Via" or "v" itself) */
	uint16_t via_line_next; /* offset of the line behind it */
	uint16_t n_via_lines;
	uint16_t via_next_end; /* end of the line in which the value below the top one stands; 0: there is none */
	struct sb_via via;     /* top value */

	/* whole header lines, name to line end without CRLF, folding included; len 0: absent */
	struct sb_span from_line, to_line, call_id_line, cseq_line;
	struct sb_span from, to; /* values, outer blanks cut */
	struct sb_span from_tag, to_tag;
	struct sb_span call_id; /* value */
	uint32_t cseq;
	struct sb_span max_forwards; /* digits; len 0: absent */
	uint16_t max_forwards_value;
	uint16_t route_line;         /* offset of the first Route header line; 0: none */
	struct sb_route route;       /* of requests: the top Route; value.len 0: there is none, or it cannot be read */
	struct sb_route_walk routes; /* the walk behind it */
	uint16_t record_route_line;  /* offset of the first Record-Route line; 0: none */
	uint16_t proxy_require_line; /* 0: none */
	struct sb_span contact;      /* first Contact value's URI (without <>); len 0: none */
	struct sb_span timestamp_line;
	uint32_t retry_after_s;  /* responses; 0: none */
	uint32_t content_length; /* the body's bytes */
};

/* Reads one datagram. parser_osip: ask libosip2 about every message, else only about those that the vector pass is
 * not certain of. *asked_osip says whether it was asked. text must be followed by SB_SIP_PAD readable bytes.
 * Never fails: every datagram is one of enum sb_read. RFC 3261 7, 16.3, 18.3; R4475. */
enum sb_read sb_sip_read(struct sb_sip *sip, const char *text, uint32_t len, bool parser_osip, bool *asked_osip);

/* The vector pass alone, for texts that were accepted before (a stored request) and for tests. */
enum sb_read sb_sip_index(struct sb_sip *sip, const char *text, uint32_t len);

/* An INVITE without Route and To tag, read no further than turning it away takes: lines of Via, From, To, Call-ID and
 * CSeq, top Via, Call-ID, CSeq's number, where header and body are. False: it is none, or not plain: it is to be read
 * in full, and nothing of *sip counts. True does not say that all of it is sound. */
bool sb_sip_brief(struct sb_sip *sip, const char *text, uint32_t len);

/* Is it an ACK with a tag that begins so? Nothing else of it is read. False: it is not, or is not plainly so. */
bool sb_sip_ack_of(const char *text, uint32_t len, const char start[8]);

/* Reads the Via value that begins at off. 0 or SB_E_INVAL. */
int sb_sip_via_at(const struct sb_sip *sip, uint16_t off, struct sb_via *via);

/* The same for the value below the top one, which a response goes to; via->next and multi may be left 0. Cheap, where
 * the message came from a plain proxy. */
int sb_sip_via_below(const struct sb_sip *sip, struct sb_via *via);

/* True: *route is the next value. False: none left, or it is malformed (then *bad). */
bool sb_sip_route_next(const struct sb_sip *sip, struct sb_route_walk *walk, struct sb_route *route, bool *bad);

/* Parses a URI of len bytes at off of the message's text. 0 or SB_E_INVAL. */
int sb_uri_parse(const char *text, struct sb_span at, struct sb_uri *uri);

/* Value of parameter name (NUL-terminated, lower case) in params ("";a=1;b""); len 0 and off 0: absent. */
struct sb_span sb_uri_param(const char *text, struct sb_span params, const char *name);

/* The dialled number: user part unescaped, tel: visual separators cut, at most cap bytes. Returns its length. */
size_t sb_uri_number(const char *text, const struct sb_uri *uri, char *out, size_t cap);

static inline const char *sb_at(const struct sb_sip *sip, struct sb_span s)
{
	return sip->text + s.off;
}
