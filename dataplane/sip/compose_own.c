/* SPDX-License-Identifier: BSD-3-Clause */
/* compose_own.c - requests of our own: ACK and CANCEL of a leg, ACK and BYE of a 2xx that nobody wants, probes. */
#include "dataplane/sip/compose.h"
#include "dataplane/sip/edit.h"
#include "dataplane/sip/lex.h"
#include <switchback/err.h>

static void out_span(struct sb_out *o, const struct sb_sip *sip, struct sb_span s)
{
	out_put(o, sb_at(sip, s), s.len);
}

static void out_via(struct sb_out *o, const char *hostport, size_t hostport_len, const char *branch)
{
	out_text(o, "Via: SIP/2.0/UDP ");
	out_put(o, hostport, hostport_len);
	out_text(o, ";branch=");
	out_put(o, branch, SB_BRANCH_LEN);
	out_text(o, "\r\nMax-Forwards: 70\r\n");
}

static void out_cseq(struct sb_out *o, uint32_t number, const char *method)
{
	out_text(o, "CSeq: ");
	out_number(o, number);
	out_text(o, " ");
	out_text(o, method);
	out_text(o, "\r\nContent-Length: 0\r\n\r\n");
}

/* The stored request's Route lines as it left with them. */
static int out_routes(struct sb_out *o, const struct sb_sip *request, unsigned strip)
{
	struct sb_edits edits;
	struct sb_line line;
	if (request->route_line == 0)
		return 0;
	edit_begin(&edits);
	if (edit_strip_routes(&edits, request, strip))
		return SB_E_INVAL;
	for (uint32_t at = request->route_line; sb_line_find(request, at, SB_F_ROUTE, &line); at = line.next)
		edit_apply(&edits, request->text, line.off, line.next, o);
	return 0;
}

/* ACK or CANCEL: what is the same in both. to_line is without CRLF. */
static int leg_request(const char *method, const struct sb_sip *request, const struct sb_relay *relay,
        const char *to_line, size_t to_line_len, char *out, size_t cap)
{
	struct sb_out o = {.p = out, .cap = cap};
	out_text(&o, method);
	out_text(&o, " ");
	out_span(&o, request, request->uri_text);
	out_text(&o, " SIP/2.0\r\n");
	out_via(&o, relay->via_hostport, relay->via_hostport_len, relay->branch);
	if (out_routes(&o, request, relay->strip_routes))
		return SB_E_INVAL;
	out_line(&o, request, request->from_line);
	out_put(&o, to_line, to_line_len);
	out_text(&o, "\r\n");
	out_line(&o, request, request->call_id_line);
	out_cseq(&o, request->cseq, method);
	return out_end(&o);
}

int sb_compose_ack(const struct sb_sip *request, const struct sb_relay *relay, const char *to_line, size_t to_line_len,
        char *out, size_t cap)
{
	return leg_request("ACK", request, relay, to_line, to_line_len, out, cap);
}

int sb_compose_cancel(const struct sb_sip *request, const struct sb_relay *relay, char *out, size_t cap)
{
	return leg_request("CANCEL", request, relay, sb_at(request, request->to_line), request->to_line.len, out, cap);
}

/* The route set of a 2xx as the caller's side of it sees it from us on: nearest first. */
struct route_set {
	unsigned n;
	struct {
		struct sb_span value, uri; /* uri: as a Request-URI */
		bool lr;
	} hop[SB_SIP_VALUES_MAX];
};

static bool is_own(const struct sb_sip *sip, const struct sb_route *route, const char *hostport, size_t len)
{
	uint32_t host = route->uri.off + 4u; /* behind "sip:" */
	return route->parsed.scheme == SB_SCHEME_SIP && route->uri.len >= 4 + len &&
	       memcmp(sip->text + host, hostport, len) == 0 &&
	       (route->uri.len == 4 + len || sip->text[host + len] == ';');
}

/* A URI as it may stand in a request line: without header fields (19.1.1, 12.2.1.1). */
static struct sb_span request_uri(const struct sb_span *written, const struct sb_uri *uri)
{
	return lex_span(written->off, (uint32_t)uri->params.off + uri->params.len);
}

/* Values above our own are the proxies beyond us. If ours is not among them, those that the request had come from
 * before us. */
static void read_route_set(const struct sb_sip *response, const struct sb_sip *request, const char *own, size_t own_len,
        struct route_set *set)
{
	struct sb_route_walk walk = {.line = response->record_route_line};
	struct sb_route route;
	bool bad, found = false;
	set->n = 0;
	while (!found && sb_sip_route_next(response, &walk, &route, &bad)) {
		found = is_own(response, &route, own, own_len);
		if (found)
			break;
		set->hop[set->n].value = route.value;
		set->hop[set->n].uri = request_uri(&route.uri, &route.parsed);
		set->hop[set->n++].lr = route.parsed.lr;
	}
	walk = (struct sb_route_walk){.line = request->record_route_line};
	while (!found && set->n > 0 && sb_sip_route_next(request, &walk, &route, &bad))
		set->n--;
}

/* The Contact's URI as a Request-URI. False: there is none. */
static bool remote_target(const struct sb_sip *response, struct sb_span *target)
{
	struct sb_uri uri;
	if (response->contact.len == 0 || sb_uri_parse(response->text, response->contact, &uri) ||
	        uri.scheme == SB_SCHEME_OTHER)
		return false;
	*target = request_uri(&response->contact, &uri);
	return true;
}

/* Request line, Via and Route lines. A first hop without lr takes the Request-URI, and the target goes last (12.2.1.1).
 */
static void out_way(struct sb_out *o, const struct sb_sip *response, const struct route_set *set, const char *target,
        size_t target_len, const char *method, const char *own, size_t own_len, const char *branch)
{
	unsigned n = set->n;
	bool strict = n > 0 && !set->hop[n - 1].lr;
	out_text(o, method);
	out_text(o, " ");
	if (strict)
		out_span(o, response, set->hop[--n].uri);
	else
		out_put(o, target, target_len);
	out_text(o, " SIP/2.0\r\n");
	out_via(o, own, own_len, branch);
	while (n-- > 0) {
		out_text(o, "Route: ");
		out_span(o, response, set->hop[n].value);
		out_text(o, "\r\n");
	}
	if (strict) {
		out_text(o, "Route: <");
		out_put(o, target, target_len);
		out_text(o, ">\r\n");
	}
}

int sb_compose_after_2xx(const struct sb_sip *response, const struct sb_sip *request, enum sb_method method,
        const char *own_hostport, size_t own_hostport_len, const char *branch, char *out, size_t cap)
{
	struct sb_out o = {.p = out, .cap = cap};
	const char *name = method == SB_M_BYE ? "BYE" : "ACK";
	struct route_set set;
	struct sb_span contact = {0, 0};
	bool has_contact = remote_target(response, &contact);
	const char *target = has_contact ? sb_at(response, contact) : sb_at(request, request->uri_text);
	size_t target_len = has_contact ? contact.len : request->uri_text.len;
	read_route_set(response, request, own_hostport, own_hostport_len, &set);
	out_way(&o, response, &set, target, target_len, name, own_hostport, own_hostport_len, branch);
	out_line(&o, response, response->from_line);
	out_line(&o, response, response->to_line);
	out_line(&o, response, response->call_id_line);
	out_cseq(&o, response->cseq + (method == SB_M_BYE), name);
	return out_end(&o);
}

/* Texts of the configuration must not break out of their line. */
static bool one_line(const char *s)
{
	for (; *s; s++)
		if ((uint8_t)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

static void probe_from(struct sb_out *o, const char *own, const char *from, const char *branch)
{
	out_text(o, "From: <");
	if (*from) {
		out_text(o, from);
	} else {
		out_text(o, "sip:switchback@");
		out_text(o, own);
	}
	out_text(o, ">;tag=");
	out_put(o, branch + SB_BRANCH_LEN - 16, 16);
	out_text(o, "\r\n");
}

int sb_compose_probe(const char *target, const char *own, const char *branch, const char *from, const char *user_agent,
        uint32_t id, char *out, size_t cap)
{
	struct sb_out o = {.p = out, .cap = cap};
	if (!one_line(target) || !one_line(own) || !one_line(from) || !one_line(user_agent))
		return SB_E_INVAL;
	out_text(&o, "OPTIONS sip:");
	out_text(&o, target);
	out_text(&o, " SIP/2.0\r\n");
	out_via(&o, own, strlen(own), branch);
	probe_from(&o, own, from, branch);
	out_text(&o, "To: <sip:");
	out_text(&o, target);
	out_text(&o, ">\r\nCall-ID: probe-");
	out_number(&o, id);
	out_text(&o, "-");
	out_put(&o, branch + SB_BRANCH_LEN - 16, 16);
	out_text(&o, "\r\nContact: <sip:");
	out_text(&o, own);
	out_text(&o, ">\r\nAccept: application/sdp\r\n");
	if (*user_agent) {
		out_text(&o, "User-Agent: ");
		out_text(&o, user_agent);
		out_text(&o, "\r\n");
	}
	out_cseq(&o, 1, "OPTIONS");
	return out_end(&o);
}
