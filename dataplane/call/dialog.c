/* SPDX-License-Identifier: BSD-3-Clause */
/* dialog.c - in-dialog requests and their responses, relayed with no stored state (RFC 3261 16.11): what is needed
 * travels in the signed Record-Route and in the stateless branch, so any instance with the fleet's key can do it
 * (design, invariant 6). */
#include "dataplane/call/txn.h"

const struct sb_snap_listener *sb_listener_at(const struct sb_snapshot *s, const struct sb_addr *a)
{
	for (uint32_t i = 0; i < s->n_listeners; i++)
		if (sb_addr_eq(&s->listeners[i].addr, a))
			return &s->listeners[i];
	return NULL;
}

uint32_t sb_listener_hash(const struct sb_snap_listener *l)
{
	uint64_t ip[2];
	memcpy(ip, l->addr.ip, sizeof ip);
	uint64_t h = ((ip[0] * SB_PREFIX_SEED) ^ ip[1]) * SB_PREFIX_SEED + l->addr.port;
	return (uint32_t)((h * SB_PREFIX_SEED) >> 32);
}

static const struct sb_snap_listener *listener_of_hash(const struct sb_snapshot *s, uint32_t hash)
{
	for (uint32_t i = 0; i < s->n_listeners; i++)
		if (sb_listener_hash(&s->listeners[i]) == hash)
			return &s->listeners[i];
	return NULL;
}

static const struct sb_snap_listener *listener_of_uri(
        const struct sb_snapshot *s, const char *text, const struct sb_uri *uri)
{
	struct sb_addr a;
	memset(&a, 0, sizeof a);
	if (sb_addr_parse_ip(text + uri->host.off, uri->host.len, &a))
		return NULL;
	a.port = uri->port ? uri->port : 5060;
	return sb_listener_at(s, &a);
}

/* A Route value with a token of ours: whose it says it is, and the token. */
struct claim {
	const struct sb_snap_listener *listener; /* NULL: it does not name us */
	struct sb_span token;                    /* len 0: none */
};

#define AS_WRITTEN     ";lr;sb="
#define AS_WRITTEN_LEN (sizeof AS_WRITTEN - 1)

/* "sip:hostport;lr;sb=token", as we write it and nearly everybody gives it back. */
static bool as_written(const char *uri, size_t len, const struct sb_snap_listener *l)
{
	size_t n = l->hostport_len;
	return len == 4 + n + AS_WRITTEN_LEN + SB_RR_TOKEN_LEN && memcmp(uri, "sip:", 4) == 0 &&
	       memcmp(uri + 4, l->hostport, n) == 0 && memcmp(uri + 4 + n, AS_WRITTEN, AS_WRITTEN_LEN) == 0;
}

static struct claim claim_of(const struct sb_snapshot *s, const char *text, const struct sb_route *r)
{
	struct claim claim = {.token = {(uint16_t)(r->uri.off + r->uri.len - SB_RR_TOKEN_LEN), SB_RR_TOKEN_LEN}};
	for (uint32_t i = 0; i < s->n_listeners; i++)
		if (as_written(text + r->uri.off, r->uri.len, &s->listeners[i])) {
			claim.listener = &s->listeners[i];
			return claim;
		}
	claim.listener = listener_of_uri(s, text, &r->parsed);
	claim.token = claim.listener ? sb_uri_param(text, r->parsed.params, "sb") : (struct sb_span){0, 0};
	return claim;
}

enum initiator { UNSIGNED, IN_FROM, IN_TO };

/* Signed for this dialog: by the tag of whoever began it, which is in From or in To depending on who sends now. An RFC
 * 2543 client has none (12.1.1): that is signed, too. */
static enum initiator signed_for(struct sb_core *c, const struct sb_sip *sip, const struct claim *claim)
{
	const struct sb_snap_listener *l = claim->listener;
	const struct sb_span tags[] = {sip->from_tag, sip->to_tag};
	char want[SB_RR_TOKEN_LEN];
	if (claim->token.len != SB_RR_TOKEN_LEN)
		return UNSIGNED;
	for (unsigned i = 0; i < 2; i++) {
		sb_rr_token(&c->cfg.keys, sb_at(sip, sip->call_id), sip->call_id.len, sb_at(sip, tags[i]), tags[i].len,
		        l->hostport, l->hostport_len, want);
		if (memcmp(want, sb_at(sip, claim->token), SB_RR_TOKEN_LEN) == 0)
			return i ? IN_TO : IN_FROM;
	}
	return UNSIGNED;
}

void sb_dialog_own_route(struct sb_core *c, const struct sb_sip *sip, struct sb_own_route *own)
{
	struct sb_route_walk walk = {.line = sip->route_line};
	struct sb_route route;
	bool bad = false;
	memset(own, 0, sizeof *own);
	own->rest.line = sip->route_line;
	if (!sip->route_line)
		return;
	own->owner = SB_ROUTE_FOREIGN;
	while (own->n < SB_OWN_ROUTES_MAX && sb_sip_route_next(sip, &walk, &route, &bad)) {
		struct claim claim = claim_of(c->snap, sip->text, &route);
		if (!claim.listener)
			return;
		enum initiator who = signed_for(c, sip, &claim);
		if (own->n == 0 || who == UNSIGNED)
			own->owner = who == UNSIGNED ? SB_ROUTE_UNSIGNED : SB_ROUTE_SIGNED;
		own->to_initiator |= who == IN_TO;
		own->n++;
		own->leave = claim.listener;
		/* member by member, as they have just been written: a wider load would have to wait for that */
		own->rest.line = walk.line;
		own->rest.at = walk.at;
		own->rest.n = walk.n;
	}
}

/* The next hop: the Route behind ours, else the Request-URI. Never a name: nothing is resolved on the packet path. */
static bool next_hop(const struct sb_sip *sip, const struct sb_own_route *own, struct sb_addr *to)
{
	struct sb_route_walk walk = {.line = own->rest.line, .at = own->rest.at, .n = own->rest.n};
	struct sb_route route;
	bool bad = false;
	const struct sb_uri *uri = &sip->uri;
	if (walk.line && sb_sip_route_next(sip, &walk, &route, &bad))
		uri = &route.parsed;
	memset(to, 0, sizeof *to);
	if (bad || sb_addr_parse_ip(sip->text + uri->host.off, uri->host.len, to))
		return false;
	sb_addr_set_port(to, uri->port ? uri->port : 5060);
	return true;
}

/* Same incoming branch, same outgoing branch: ACK and CANCEL of a re-INVITE follow it (16.11). Where the response is to
 * go is part of it, so that nobody behind us can send it elsewhere by editing the Via below ours. via: the sender's;
 * listener: hash of the one it came in by. */
static uint64_t branch_mac(const struct sb_core *c, const struct sb_sip *sip, const struct sb_via *via,
        const struct sb_addr *up, uint32_t listener)
{
	bool rfc3261 = via->branch.len > 7;
	struct sb_span a = rfc3261 ? via->branch : sip->call_id, b = rfc3261 ? via->host : sip->from_tag;
	const struct sb_piece pieces[] = {
	        {sb_at(sip, a), a.len}, {sb_at(sip, b), b.len}, {up->ip, up->family == 6 ? 16 : 4}};
	const uint64_t words[SB_MAC_WORDS] = {
	        (uint64_t)up->port << 32 | listener, rfc3261 ? 0 : 1ull << 32 | sip->cseq};
	return sb_branch_mac(&c->cfg.keys, words, pieces, 3);
}

/* The listener it came in by rides along, so that its response leaves there again, whatever was loaded meanwhile. */
static void stateless_branch(
        const struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip, char branch[SB_BRANCH_LEN])
{
	struct sb_addr up = sb_out_target(sip, &pkt->peer);
	struct sb_cookie k = {.kind = SB_COOKIE_STATELESS, .loop = sb_listener_hash(pkt->listener)};
	k.mac = branch_mac(c, sip, &sip->via, &up, k.loop);
	sb_cookie_write(&c->cfg.keys, &k, branch);
}

struct sb_end sb_dialog_request(
        struct sb_core *c, const struct sb_pkt *pkt, const struct sb_sip *sip, const struct sb_own_route *own)
{
	struct sb_addr to;
	char branch[SB_BRANCH_LEN];
	bool ack = sip->method == SB_M_ACK;
	const struct sb_snap_listener *leave = own->leave;
	if (sip->len + SB_RELAY_GROWTH > SB_SIP_MAX)
		return ack ? sb_ended(SB_C_drop_too_large) : sb_out_reply(c, pkt, sip, 513, NULL, NULL);
	if (!next_hop(sip, own, &to))
		return ack ? sb_ended(SB_C_drop_no_route) : sb_out_reply(c, pkt, sip, 502, NULL, NULL);
	if (sb_listener_at(c->snap, &to)) /* the far end claims to be us */
		return ack ? sb_ended(SB_C_drop_no_route) : sb_out_reply(c, pkt, sip, 404, NULL, NULL);
	if (to.family != leave->addr.family)
		return ack ? sb_ended(SB_C_drop_no_route) : sb_out_reply(c, pkt, sip, 502, NULL, NULL);

	stateless_branch(c, pkt, sip, branch);
	struct sb_relay relay = {.via_hostport = leave->hostport,
	        .via_hostport_len = leave->hostport_len,
	        .branch = branch,
	        .source = pkt->peer,
	        .strip_routes = own->n};
	struct sb_pkt *out = sb_out_alloc(c, sip->len + SB_RELAY_GROWTH);
	if (!out)
		return sb_ended(SB_C_drop_no_buffer);
	int n = sb_compose_request(sip, &relay, out->text, out->cap);
	if (!sb_out_send(c, out, n, &to, leave))
		return sb_ended(n < 0 ? SB_C_drop_too_large : SB_C_drop_no_route);
	sb_count(c->cfg.counters, SB_C_in_dialog);
	return sb_ended(SB_C_end_forwarded);
}

static struct sb_end pop_and_send(
        struct sb_core *c, const struct sb_sip *sip, const struct sb_addr *to, const struct sb_snap_listener *from)
{
	struct sb_pkt *out = sb_out_alloc(c, sip->len);
	if (!out)
		return sb_ended(SB_C_drop_no_buffer);
	int n = sb_compose_response(sip, 0, NULL, out->text, out->cap);
	if (!sb_out_send(c, out, n, to, from))
		return sb_ended(SB_C_drop_no_route);
	return sb_ended(SB_C_end_forwarded);
}

struct sb_end sb_dialog_response(struct sb_core *c, const struct sb_sip *sip, const struct sb_cookie *k)
{
	struct sb_via below;
	struct sb_addr to;
	if (sb_sip_via_below(sip, &below) || sb_via_target(sip, &below, &to))
		return sb_ended(SB_C_drop_stray_response);
	if (branch_mac(c, sip, &below, &to, k->loop) != k->mac)
		return sb_ended(SB_C_drop_forged_cookie);
	const struct sb_snap_listener *from = listener_of_hash(c->snap, k->loop);
	/* A reload has taken it away: any listener that speaks the family. */
	for (uint32_t i = 0; i < c->snap->n_listeners && !from; i++)
		if (c->snap->listeners[i].addr.family == to.family)
			from = &c->snap->listeners[i];
	return from ? pop_and_send(c, sip, &to, from) : sb_ended(SB_C_drop_no_route);
}

struct sb_end sb_dialog_linger_response(struct sb_core *c, const struct sb_sip *sip, const struct sb_linger *l)
{
	struct sb_addr to;
	memset(&to, 0, sizeof to);
	memcpy(to.ip, l->up_ip, 16);
	to.port = l->up_port;
	to.family = l->up_family;
	const struct sb_snap_listener *from = listener_of_hash(c->snap, l->listener_hash);
	return from ? pop_and_send(c, sip, &to, from) : sb_ended(SB_C_drop_no_route);
}
