/* SPDX-License-Identifier: BSD-3-Clause */
/* wire.c - what of dataplane/net is pure, for one worker: frames are read, checked, put together and cut by the code
 * that ships. Around it what classify.c and send.c do. frames.c says of each frame what should have come of it. */
#include "sim.h"
#include "dataplane/net/decode.h"
#include "dataplane/net/frag.h"
#include "dataplane/net/wire.h"

struct wire {
	struct sb_frag_table frags;
	struct sb_wire_ids ids;
	uint64_t full_until; /* datagrams had to give way to others */
};

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1}, their_mac[6] = {2, 0, 0, 0, 0, 2};

static void *buffer_alloc(void *ctx, uint8_t **l4)
{
	uint8_t *b = malloc(SB_WIRE_HEAD_MAX + SB_FRAG_BYTES);
	(void)ctx;
	assert(b);
	*l4 = b + SB_WIRE_HEAD_MAX;
	return b;
}

static void buffer_free(void *ctx, void *buf)
{
	(void)ctx;
	free(buf);
}

struct wire *wire_new(struct sim *s, unsigned worker)
{
	static const struct sb_frag_ops ops = {buffer_alloc, buffer_free, NULL};
	struct wire *w = calloc(1, sizeof *w);
	assert(w);
	sb_frag_init(&w->frags, SB_FRAG_SLOTS, &ops);
	sb_wire_ids_init(&w->ids, worker, s->px.n_workers, (uint32_t)s->now + worker);
	return w;
}

uint32_t wire_free(struct wire *w)
{
	uint32_t held = w ? w->frags.n_busy : 0;
	if (w)
		sb_frag_fini(&w->frags);
	free(w);
	return held;
}

bool wire_busy(const struct wire *w)
{
	return w && w->frags.n_busy;
}

void wire_expire(struct sim *s, struct worker *w)
{
	if (w->wire)
		sb_count_add(&w->counters, SB_C_fragments_expired, sb_frag_expire(&w->wire->frags, s->now));
}

struct sb_addr to_addr(struct ep e)
{
	struct sb_addr a = {.port = e.port, .family = e.v6 ? 6 : 4};
	if (e.v6)
		a.ip[0] = 0xfd;
	for (unsigned i = 0; i < 4; i++)
		a.ip[(e.v6 ? 12 : 0) + i] = (uint8_t)(e.ip >> (24 - 8 * i));
	return a;
}

struct ep to_ep(const struct sb_addr *a)
{
	const uint8_t *p = a->ip + (a->family == 6 ? 12 : 0);
	return (struct ep){IP(p[0], p[1], p[2], p[3]), a->port, a->family == 6};
}

static struct packet *datagram(
        struct sim *s, const uint8_t *frame, uint32_t len, const struct sb_frame *f, enum sb_counter *end)
{
	if (!sb_frame_checksum_ok(frame, f, SB_FRAME_UDP)) {
		*end = SB_C_drop_bad_checksum;
		return NULL;
	}
	struct packet *p = packet_new(s);
	assert(f->data + f->data_len <= len && f->data_len <= TEXT_MAX);
	p->src = to_ep(&f->src);
	p->dst = to_ep(&f->dst);
	p->len = f->data_len;
	memcpy(p->text, frame + f->data, p->len);
	memset(p->text + p->len, 0, SB_SIP_PAD);
	return p;
}

static struct packet *whole(struct sim *s, const struct sb_frag *d, enum sb_counter *end)
{
	struct sb_frame f;
	struct sb_wire head = {.dst_mac = d->l2, .src_mac = d->l2 + 6, .from = &d->src, .to = &d->dst, .id = d->id};
	uint8_t *frame = d->l4 - sb_wire_head_len(&head, false);
	uint32_t len = (uint32_t)(d->l4 - frame) + d->total;
	struct packet *p = NULL;
	*end = SB_C_drop_fragment;
	sb_wire_head(&head, frame, d->total, NULL);
	if (sb_frame_decode(frame, len, &f) == SB_FRAME_UDP)
		p = datagram(s, frame, len, &f, end);
	free(d->buf);
	if (p)
		saw(s, SEEN_fragments_in);
	return p;
}

static struct packet *fragment(
        struct sim *s, struct wire *w, const uint8_t *frame, const struct sb_frame *f, enum sb_counter *end)
{
	struct sb_frag done;
	if (w->frags.n_busy == w->frags.n_slots)
		w->full_until = s->now + SB_FRAG_LIFE_US;
	switch (sb_frag_add(&w->frags, frame, f, 0, s->now, &done)) {
	case SB_FRAG_DONE:
		return whole(s, &done, end);
	case SB_FRAG_WAITS:
		*end = SB_C_end_consumed;
		break;
	case SB_FRAG_NO_BUFFER:
		*end = SB_C_drop_no_buffer;
		break;
	case SB_FRAG_BAD:
		*end = SB_C_drop_fragment;
		break;
	}
	return NULL;
}

/* An ICMP error, made of the packet here: what is read must be what was put in. */
static struct packet *icmp(struct sim *s, struct packet *p)
{
	uint8_t frame[FRAME_HEAD_MAX * 2 + 16 + TEXT_MAX];
	struct sb_frame f;
	uint32_t len = frame_icmp(p, frame);
	enum sb_frame_kind kind = sb_frame_decode(frame, len, &f);
	bool right = kind == SB_FRAME_ICMP_ERROR && ep_eq(to_ep(&f.from), p->dst) && ep_eq(to_ep(&f.to), p->src) &&
	             f.fatal == p->fatal && f.data_len == p->len && memcmp(frame + f.data, p->text, p->len) == 0 &&
	             sb_frame_checksum_ok(frame, &f, kind);
	if (!right)
		breach(s, "INV-WIRE", "an ICMP error with %u bytes of quote is not read as it is", p->len);
	return p;
}

static struct packet *read_frame(struct sim *s, struct worker *w, const struct packet *p, enum sb_counter *end)
{
	const uint8_t *frame = (const uint8_t *)p->text;
	struct sb_frame f;
	switch (sb_frame_decode(frame, p->len, &f)) {
	case SB_FRAME_UDP:
		return datagram(s, frame, p->len, &f, end);
	case SB_FRAME_FRAGMENT:
		return fragment(s, w->wire, frame, &f, end);
	case SB_FRAME_BAD_IP:
		*end = SB_C_drop_bad_ip;
		break;
	case SB_FRAME_BAD_CHECKSUM:
		*end = SB_C_drop_bad_checksum;
		break;
	default:
		*end = SB_C_end_punted;
		break;
	}
	return NULL;
}

struct packet *wire_take(struct sim *s, struct worker *w, struct packet *p, enum sb_counter *end)
{
	if (p->kind == PACKET_ICMP)
		return icmp(s, p);
	struct packet *got = read_frame(s, w, p, end);
	struct packet *want = frame_take(s, &s->proxy_pieces, (const uint8_t *)p->text, p->len, false);
	bool same = got && want && got->len == want->len && memcmp(got->text, want->text, got->len) == 0 &&
	            ep_eq(got->src, want->src) && ep_eq(got->dst, want->dst);
	if ((got || want) && !same && s->now > w->wire->full_until)
		breach(s, "INV-WIRE", "a datagram of %u bytes from %x is read as one of %u bytes", want ? want->len : 0,
		        p->src.ip, got ? got->len : 0);
	if (want)
		packet_free(s, want);
	packet_free(s, p);
	return got;
}

/* As send.c cuts a datagram into packets of the MTU. */
void wire_send(struct sim *s, struct worker *w, const struct sb_pkt *p)
{
	uint8_t l4[SB_UDP_HEAD + TEXT_MAX], frame[SB_WIRE_HEAD_MAX + sizeof l4];
	struct sb_wire head = {.dst_mac = their_mac,
	        .src_mac = our_mac,
	        .from = &p->listener->addr,
	        .to = &p->peer,
	        .id = sb_wire_id(&w->wire->ids)};
	uint32_t mtu = p->peer.family == 6 && s->mtu < 1280 ? 1280 : s->mtu, len = p->len + SB_UDP_HEAD;
	uint32_t room = sb_wire_room(&head, mtu, true);
	bool at_once = len <= sb_wire_room(&head, mtu, false);
	memcpy(l4 + SB_UDP_HEAD, p->text, p->len);
	sb_wire_udp(&head, l4, p->len, false);
	for (uint32_t off = 0; off < len;) {
		uint32_t n = at_once || len - off < room ? len - off : room;
		struct sb_wire_piece piece = {(uint16_t)off, off + n < len};
		size_t at_f = sb_wire_head_len(&head, !at_once);
		sb_wire_head(&head, frame, n, at_once ? NULL : &piece);
		memcpy(frame + at_f, l4 + off, n);
		net_frame(s, to_ep(head.from), to_ep(head.to), frame, (uint32_t)at_f + n);
		off += n;
	}
	if (!at_once)
		saw(s, SEEN_fragments_out);
}
