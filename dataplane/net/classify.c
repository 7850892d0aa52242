/* SPDX-License-Identifier: BSD-3-Clause */
/* classify.c - from a received frame to what it is: SIP for a listener, an ICMP error about us, a fragment, or the
 * kernel's. Every frame that comes in here ends in exactly one END or DROP counter, here, at its owner, or in the core.
 */
#include "dataplane/net/net.h"

void sb_end(struct sb_worker *w, struct sb_net_pkt *np, enum sb_counter end)
{
	sb_count(&w->counters, end);
	sb_pkt_free(w->dp, np);
}

/* To the worker that owns it. */
static void hand_over(struct sb_worker *w, struct sb_net_pkt *np, uint32_t owner)
{
	if (rte_ring_mp_enqueue(w->dp->worker[owner]->in, np))
		sb_end(w, np, SB_C_drop_ring_full);
	else
		sb_count(&w->counters, SB_C_handoff);
}

/* A SIP datagram: indexed here, whoever owns it. Ours wait in act[] until the whole burst has been looked at. */
void sb_deliver(struct sb_worker *w, struct sb_net_pkt *np)
{
	bool asked = false;
	const struct sb_snapshot *s = w->view->snapshot;
	np->kind = SB_NET_SIP;
	np->read = (uint8_t)sb_sip_read(&np->sip, np->pkt.text, np->pkt.len, s->parser == SB_PARSER_OSIP, &asked);
	if (np->read <= SB_READ_BAD_RESPONSE)
		sb_count(&w->counters, asked ? SB_C_sip_osip : SB_C_sip_fast);
	uint32_t owner = sb_core_owner(w->core, &np->sip, (enum sb_read)np->read);
	if (owner != w->index && owner < w->dp->cfg.n_workers) {
		hand_over(w, np, owner);
		return;
	}
	sb_core_prefetch(w->core, &np->sip, (enum sb_read)np->read);
	w->act[w->n_act++] = np;
}

static void act(struct sb_worker *w, struct sb_net_pkt *np)
{
	struct sb_end end;
	if (np->kind == SB_NET_ICMP) {
		end = sb_core_icmp(w->core, &np->pkt.peer, np->pkt.text, np->pkt.len, np->fatal, w->now_us);
	} else {
		/* Found again by every worker: a reload may have come between it and whoever received the datagram. */
		np->pkt.listener = sb_view_find(w->view, np->port, &np->local);
		if (!np->pkt.listener) {
			sb_end(w, np, SB_C_drop_not_ours);
			return;
		}
		end = sb_core_packet(w->core, &np->pkt, &np->sip, (enum sb_read)np->read, w->now_us);
	}
	sb_end(w, np, end.counter);
}

void sb_act_all(struct sb_worker *w)
{
	for (uint32_t i = 0; i < w->n_act; i++)
		act(w, w->act[i]);
	w->n_act = 0;
}

/* The worker whose transaction an ICMP error is about: its cookie says so. */
static uint32_t icmp_owner(const struct sb_worker *w, const struct sb_net_pkt *np)
{
	struct sb_cookie c;
	if (sb_cookie_find(&w->dp->keys, np->pkt.text, np->pkt.len, &c) || c.kind != SB_COOKIE_TXN)
		return w->index;
	return c.worker < w->dp->cfg.n_workers ? c.worker : w->index;
}

static void take_icmp(struct sb_worker *w, struct sb_net_pkt *np, const struct sb_frame *f)
{
	if (!sb_view_find(w->view, np->port, &f->from)) {
		sb_up_frame(w, np);
		return;
	}
	if (!sb_frame_checksum_ok(np->frame, f, SB_FRAME_ICMP_ERROR)) {
		sb_end(w, np, SB_C_drop_bad_checksum);
		return;
	}
	np->kind = SB_NET_ICMP;
	np->fatal = f->fatal;
	np->local = f->from;
	np->pkt.peer = f->to;
	np->pkt.text = (char *)np->frame + f->data;
	np->pkt.len = f->data_len;
	uint32_t owner = icmp_owner(w, np);
	if (owner != w->index)
		hand_over(w, np, owner);
	else
		w->act[w->n_act++] = np;
}

static bool checksum_ok(const struct sb_net_pkt *np, const struct sb_frame *f)
{
	if (np->mbuf && (np->mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return true;
	return sb_frame_checksum_ok(np->frame, f, SB_FRAME_UDP);
}

static void take_udp(struct sb_worker *w, struct sb_net_pkt *np, const struct sb_frame *f)
{
	const struct sb_snap_listener *l = sb_view_find(w->view, np->port, &f->dst);
	if (!l) {
		sb_up_frame(w, np);
		return;
	}
	if (l->vlan != f->vlan) { /* trust is given to a network, not to whoever can tag a frame */
		sb_end(w, np, SB_C_drop_not_ours);
		return;
	}
	if (!checksum_ok(np, f)) {
		sb_end(w, np, SB_C_drop_bad_checksum);
		return;
	}
	np->local = f->dst;
	np->pkt.peer = f->src;
	np->pkt.text = (char *)np->frame + f->data;
	np->pkt.len = f->data_len;
	np->pkt.cap = f->data_len;
	sb_deliver(w, np);
}

/* A datagram that is whole again: given a frame once more, so that it takes the way of any other. */
static void take_whole(struct sb_worker *w, const struct sb_frag *d)
{
	struct sb_net_pkt *np = d->buf;
	struct sb_frame f;
	struct sb_wire wire = {
	        .dst_mac = d->l2, .src_mac = d->l2 + 6, .from = &d->src, .to = &d->dst, .id = d->id, .vlan = d->vlan};
	size_t head = sb_wire_head_len(&wire, false);
	if (d->src.family == 4 && d->total > SB_UDP_MAX_4 + SB_UDP_HEAD) {
		sb_end(w, np, SB_C_drop_fragment); /* no IPv4 datagram is so long */
		return;
	}
	np->frame = d->l4 - head;
	np->frame_len = (uint32_t)head + d->total;
	np->port = d->port;
	sb_wire_head(&wire, np->frame, d->total, NULL);
	if (sb_frame_decode(np->frame, np->frame_len, &f) == SB_FRAME_UDP)
		take_udp(w, np, &f);
	else
		sb_end(w, np, SB_C_drop_fragment);
}

static void take_fragment(struct sb_worker *w, struct sb_net_pkt *np, const struct sb_frame *f)
{
	struct sb_frag done;
	if (!sb_view_has_ip(w->view, np->port, &f->dst)) {
		sb_up_frame(w, np);
		return;
	}
	enum sb_frag_answer answer = sb_frag_add(&w->frags, np->frame, f, np->port, w->now_us, &done);
	switch (answer) {
	case SB_FRAG_DONE:
		/* the frame that completes it is the one that is counted by the datagram's end */
		sb_pkt_free(w->dp, np);
		take_whole(w, &done);
		break;
	case SB_FRAG_WAITS:
		sb_end(w, np, SB_C_end_consumed);
		break;
	case SB_FRAG_NO_BUFFER:
		sb_end(w, np, SB_C_drop_no_buffer);
		break;
	case SB_FRAG_BAD:
		sb_end(w, np, SB_C_drop_fragment);
		break;
	}
}

void sb_classify(struct sb_worker *w, struct sb_net_pkt *np)
{
	struct sb_frame f;
	if (np->frame_len >= SB_MAC_LEN && !(np->frame[0] & 1) &&
	        memcmp(np->frame, w->dp->port[np->port].mac, SB_MAC_LEN) != 0) {
		sb_end(w, np, SB_C_drop_not_ours); /* another host's, flooded our way */
		return;
	}
	switch (sb_frame_decode(np->frame, np->frame_len, &f)) {
	case SB_FRAME_UDP:
		take_udp(w, np, &f);
		break;
	case SB_FRAME_ICMP_ERROR:
		take_icmp(w, np, &f);
		break;
	case SB_FRAME_FRAGMENT:
		take_fragment(w, np, &f);
		break;
	case SB_FRAME_OTHER:
		sb_up_frame(w, np);
		break;
	case SB_FRAME_BAD_L2:
		sb_end(w, np, SB_C_drop_not_ours);
		break;
	case SB_FRAME_BAD_IP:
		sb_end(w, np, SB_C_drop_bad_ip);
		break;
	case SB_FRAME_BAD_CHECKSUM:
		sb_end(w, np, SB_C_drop_bad_checksum);
		break;
	}
}
