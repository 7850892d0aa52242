/* SPDX-License-Identifier: BSD-3-Clause */
/* look.c - a message is read, and looked at for whose it is and what it belongs to: made of its text alone, and the
 * same wherever it is done. */
#include "dataplane/call/txn.h"

/* ACK and CANCEL have their INVITE's key. */
static uint64_t method_of(const struct sb_sip *sip)
{
	return sip->method == SB_M_ACK || sip->method == SB_M_CANCEL ? SB_M_INVITE : sip->method;
}

/* "z9hG4bK" and more, whatever the letters' case. */
static bool has_magic(const struct sb_sip *sip, const struct sb_via *via)
{
	uint64_t v;
	memcpy(&v, sb_at(sip, via->branch), sizeof v);
	return via->branch.len > 7 && ((v | 0x20202020202020) & ~0ull >> 8) == 0x6b62346768397a;
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is the lowest");

/* What the keys of all requests of a transaction are made of besides their Via. Call-ID and CSeq are among it, so that
 * whoever gives all calls one branch does not fill one bucket. */
struct common {
	uint64_t call, cseq;
};

/* The server transaction key (17.2.3) of whoever put a Via with a usable branch. */
static uint64_t key_of_via(const struct sb_core *c, const struct sb_sip *sip, const struct sb_via *via,
        const struct common *common, uint64_t method, struct sb_span other)
{
	const struct sb_piece first[] = {{sb_at(sip, via->branch), via->branch.len},
	        {sb_at(sip, via->host), via->host.len}, {common, sizeof *common}, {sb_at(sip, other), other.len}};
	uint16_t port = via->port ? via->port : 5060;
	return sb_hash(c->table_key, method << 32 | port, first, other.len ? 4 : 3);
}

static uint64_t key_of(const struct sb_core *c, const struct sb_sip *sip, const struct common *common, bool magic)
{
	uint64_t method = method_of(sip);
	struct sb_span other = sip->method == SB_M_OTHER ? sip->method_text : (struct sb_span){0, 0};
	if (magic)
		return key_of_via(c, sip, &sip->via, common, method, other);
	/* an RFC 2543 client: no usable branch */
	const struct sb_piece first[] = {{sb_at(sip, sip->uri_text), sip->uri_text.len},
	        {sb_at(sip, sip->from_tag), sip->from_tag.len}, {sb_at(sip, sip->via.value), sip->via.value.len},
	        {common, sizeof *common}, {sb_at(sip, other), other.len}};
	return sb_hash(c->table_key, method << 32, first, other.len ? 5 : 4);
}

static uint64_t call_of(const struct sb_core *c, const struct sb_sip *sip)
{
	const struct sb_piece call_id = {sb_at(sip, sip->call_id), sip->call_id.len};
	return sb_hash(c->table_key, 0, &call_id, 1);
}

static uint32_t key2_of(const struct sb_sip *sip, uint64_t call)
{
	return (uint32_t)((call ^ method_of(sip) << 32 ^ sip->cseq) * 0x9e3779b97f4a7c15ull >> 32);
}

/* look->call is there. ACK and CANCEL may be an INVITE's that has a transaction, whatever Routes they bear. */
static void look_at_request(const struct sb_core *c, const struct sb_sip *sip, struct sb_look *look)
{
	look->read = SB_READ_REQUEST;
	look->magic = has_magic(sip, &sip->via);
	look->dialog = sip->to_tag.len && sip->route.value.len && method_of(sip) == sip->method;
	look->key = key_of(c, sip, &(struct common){look->call, sip->cseq}, look->magic);
	look->key2 = key2_of(sip, look->call);
}

bool sb_look_below(
        const struct sb_core *c, const struct sb_sip *sip, const struct sb_via *below, uint64_t *key, uint32_t *key2)
{
	const struct common common = {call_of(c, sip), sip->cseq};
	*key = key_of_via(c, sip, below, &common, method_of(sip), (struct sb_span){0, 0});
	*key2 = key2_of(sip, common.call);
	return has_magic(sip, below);
}

void sb_core_look(const struct sb_core *c, const struct sb_sip *sip, enum sb_read read, struct sb_look *look)
{
	look->read = (uint8_t)read;
	look->brief = false;
	if (read == SB_READ_REQUEST) {
		look->call = call_of(c, sip);
		look_at_request(c, sip, look);
	} else if (read == SB_READ_RESPONSE) {
		look->final = sip->status >= 200;
		look->cookie_err =
		        sb_cookie_read(&c->cfg.keys, sb_at(sip, sip->via.branch), sip->via.branch.len, &look->cookie);
	}
}

uint8_t sb_core_owner(const struct sb_core *c, const struct sb_look *look)
{
	if (look->read == SB_READ_REQUEST)
		return (uint8_t)(look->call % c->cfg.n_workers);
	bool ours = look->read == SB_READ_RESPONSE && !look->cookie_err && look->cookie.kind == SB_COOKIE_TXN;
	return ours && look->cookie.worker < c->cfg.n_workers ? look->cookie.worker : c->cfg.worker;
}

/* Is it enough to read it in brief? Only who owns the call knows whether it is shed. */
static bool brief(const struct sb_core *c, struct sb_sip *sip, const struct sb_pkt *pkt, struct sb_look *look)
{
	if (!sb_sip_brief(sip, pkt->text, pkt->len) || !has_magic(sip, &sip->via))
		return false;
	look->call = call_of(c, sip);
	if (look->call % c->cfg.n_workers != c->cfg.worker || !sb_shed_call(c, look->call))
		return false;
	look_at_request(c, sip, look);
	look->brief = true;
	return true;
}

enum sb_read sb_core_read(const struct sb_core *c, struct sb_sip *sip, const struct sb_pkt *pkt, bool osip,
        struct sb_look *look, bool *asked_osip)
{
	*asked_osip = false;
	if (c->shed_share && !osip) {
		if (sb_shed_acked(c, pkt))
			return (enum sb_read)(look->read = SB_READ_SHED_ACK);
		if (brief(c, sip, pkt, look))
			return SB_READ_REQUEST;
	}
	enum sb_read read = sb_sip_read(sip, pkt->text, pkt->len, osip, asked_osip);
	sb_core_look(c, sip, read, look);
	return read;
}
