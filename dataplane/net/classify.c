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
	w->burst.pkt[w->burst.n++] = np;
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
	np->kind = SB_NET_SIP;
	np->local = f->dst;
	np->pkt.peer = f->src;
	np->pkt.listener = l;
	np->pkt.text = (char *)np->frame + f->data;
	np->pkt.len = f->data_len;
	np->pkt.cap = f->data_len;
	w->burst.pkt[w->burst.n++] = np;
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
