/* SPDX-License-Identifier: BSD-3-Clause */
/* decode: frames as a port hands them in, one after the other: L2 to L4, checksums, fragments put together. Every
 * offset lies inside its frame, every buffer comes back, and what was put together or cut up is the same datagram. An
 * input is a row of {options, length (2 bytes), frame}. */
#include "tests/fuzz/fuzz.h"
#include "dataplane/net/csum.h"
#include "dataplane/net/decode.h"
#include "dataplane/net/frag.h"
#include "dataplane/net/wire.h"
#include <netinet/in.h>
#include <stdlib.h>

#define FRAMES_MAX 64
#define SLOTS      4
#define BUFFERS    6
#define ROOM       128

/* What is done with a frame before it is read. */
enum {
	FIX_IP_SUM = 1, /* the IPv4 header's checksum is put right */
	FIX_L4_SUM = 2, /* UDP's or ICMP's is */
	LATER = 4,      /* a second passes */
	OTHER_PORT = 8,
	NO_BUFFER = 16, /* none is free for a datagram that begins */
	CUT_SMALL = 32, /* whole datagrams are cut for a small mtu */
	BACKWARDS = 64, /* and come back to front */
};

struct buffer {
	bool used;
	uint8_t bytes[ROOM + SB_FRAG_BYTES];
};

static struct buffer pool[BUFFERS];
static struct sb_frag_table table, second;
static bool no_buffer;
static int out;

static void *buffer(void *ctx, uint8_t **l4)
{
	for (unsigned i = 0; i < BUFFERS && !no_buffer; i++) {
		if (pool[i].used)
			continue;
		pool[i].used = true;
		out++;
		*l4 = pool[i].bytes + ROOM;
		return &pool[i];
	}
	return NULL;
}

static void give_back(void *ctx, void *buf)
{
	struct buffer *b = buf;
	must(b->used, "a buffer is given back twice");
	b->used = false;
	out--;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct sb_frag_ops ops = {.alloc = buffer, .free = give_back};
	sb_frag_init(&table, SLOTS, &ops);
	sb_frag_init(&second, 1, &ops);
	return 0;
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* So that mutations reach beyond the checksums. */
static void fix(uint8_t *p, uint32_t len, uint8_t options)
{
	uint32_t l2 = len >= 18 && p[12] == 0x81 && p[13] == 0 ? 18 : 14;
	struct sb_frame f;
	uint16_t sum;
	if (options & FIX_IP_SUM && len >= l2 + 20 && p[l2] >> 4 == 4) {
		uint32_t head = (p[l2] & 15) * 4u;
		if (head < 20 || head > len - l2)
			return;
		put16(p + l2 + 10, 0);
		sum = sb_csum_end(sb_csum_add(0, p + l2, head));
		memcpy(p + l2 + 10, &sum, 2);
	}
	if (!(options & FIX_L4_SUM))
		return;
	enum sb_frame_kind kind = sb_frame_decode(p, len, &f);
	if (kind != SB_FRAME_UDP && kind != SB_FRAME_ICMP_ERROR)
		return;
	uint32_t at = f.l4 + (kind == SB_FRAME_UDP ? 6 : 2);
	uint64_t head = 0;
	if (kind == SB_FRAME_UDP || f.src.family == 6)
		head = sb_csum_pseudo(&f.src, &f.dst, kind == SB_FRAME_UDP ? IPPROTO_UDP : IPPROTO_ICMPV6, f.l4_len);
	put16(p + at, 0);
	sum = sb_csum_end(sb_csum_add(head, p + f.l4, f.l4_len));
	sum = sum ? sum : 0xffff;
	memcpy(p + at, &sum, 2);
	must(sb_frame_checksum_ok(p, &f, kind), "a right checksum is wrong");
}

static void inside(const struct sb_frame *f, enum sb_frame_kind kind, uint32_t len)
{
	if (kind == SB_FRAME_BAD_L2 || kind == SB_FRAME_BAD_IP || kind == SB_FRAME_BAD_CHECKSUM)
		return;
	must(f->l2_len == 14 || f->l2_len == 18, "L2 of %u bytes", f->l2_len);
	must(f->l4 <= len && f->l4_len <= len - f->l4, "L4 %u+%u of %u", f->l4, f->l4_len, len);
	if (kind == SB_FRAME_UDP || kind == SB_FRAME_ICMP_ERROR)
		must(f->data >= f->l4 + 8 && f->data <= len && f->data_len <= len - f->data, "payload %u+%u of %u",
		        f->data, f->data_len, len);
	if (kind == SB_FRAME_UDP)
		must(f->l4_len == f->data_len + 8 && f->src.family == f->dst.family, "UDP of %u and %u", f->l4_len,
		        f->data_len);
	if (kind == SB_FRAME_ICMP_ERROR)
		must(f->from.family == f->src.family && f->to.family == f->src.family, "a quote of another family");
	if (kind == SB_FRAME_FRAGMENT)
		must(f->frag_more || f->frag_off, "a fragment that is whole");
}

/* The pieces that this input has brought. */
struct piece {
	struct sb_frame f;
	uint16_t port;
	const uint8_t *data;
};

static struct piece pieces[FRAMES_MAX];
static unsigned n_pieces;

/* Is every byte of it one that came, in its place? */
static void made_of_pieces(const struct sb_frag *d)
{
	static bool there[SB_FRAG_BYTES];
	memset(there, 0, d->total);
	for (unsigned i = 0; i < n_pieces; i++) {
		const struct piece *p = &pieces[i];
		uint32_t off = p->f.frag_off, end = off + p->f.l4_len;
		if (p->f.frag_id != d->id || p->port != d->port || p->f.vlan != d->vlan ||
		        !sb_addr_same_ip(&p->f.src, &d->src) || !sb_addr_same_ip(&p->f.dst, &d->dst))
			continue;
		for (uint32_t at = off; at < end && at < d->total; at++)
			there[at] |= d->l4[at] == p->data[at - off];
	}
	for (uint32_t at = 0; at < d->total; at++)
		must(there[at], "byte %u of %u never came", at, d->total);
}

/* The way of classify.c: given headers once more, then read like any other frame. */
static void whole_again(const struct sb_frag *d)
{
	struct sb_wire w = {
	        .dst_mac = d->l2, .src_mac = d->l2 + 6, .from = &d->src, .to = &d->dst, .id = d->id, .vlan = d->vlan};
	size_t head = sb_wire_head_len(&w, false);
	struct sb_frame f;
	must(d->got == d->total && d->total && d->total <= SB_FRAG_BYTES, "%u bytes of %u", d->got, d->total);
	if (d->src.family == 4 && d->total > SB_UDP_MAX_4 + SB_UDP_HEAD)
		return;
	must(head <= ROOM, "headers of %zu bytes", head);
	uint8_t *frame = d->l4 - head;
	sb_wire_head(&w, frame, d->total, NULL);
	enum sb_frame_kind kind = sb_frame_decode(frame, (uint32_t)head + d->total, &f);
	must(kind == SB_FRAME_UDP || kind == SB_FRAME_BAD_IP, "put together it is %d", kind);
	must(kind != SB_FRAME_UDP ||
	                (sb_addr_same_ip(&f.src, &d->src) && sb_addr_same_ip(&f.dst, &d->dst) && f.vlan == d->vlan),
	        "put together it is somebody else's");
	inside(&f, kind, (uint32_t)head + d->total);
}

/* A whole datagram, cut up by the code that sends and put together by the code that receives. */
static void cut_and_mend(const uint8_t *p, const struct sb_frame *f, uint8_t options)
{
	static uint8_t piece[18 + 48 + 2048];
	static const uint8_t mac[6] = {2};
	struct sb_wire w = {.dst_mac = mac, .src_mac = mac, .from = &f->src, .to = &f->dst, .id = 77, .vlan = f->vlan};
	uint32_t room = sb_wire_room(&w, options & CUT_SMALL ? 128 : 1280, true), n = (f->l4_len + room - 1) / room;
	size_t head = sb_wire_head_len(&w, true);
	struct sb_frag done;
	struct sb_frame g;
	if (n < 2 || out == BUFFERS || no_buffer)
		return;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t off = (options & BACKWARDS ? n - 1 - i : i) * room;
		uint32_t len = f->l4_len - off < room ? f->l4_len - off : room;
		struct sb_wire_piece at = {(uint16_t)off, off + len < f->l4_len};
		sb_wire_head(&w, piece, len, &at);
		memcpy(piece + head, p + f->l4 + off, len);
		must(sb_frame_decode(piece, (uint32_t)head + len, &g) == SB_FRAME_FRAGMENT,
		        "a piece of ours is no fragment");
		enum sb_frag_answer answer = sb_frag_add(&second, piece, &g, 0, 0, &done);
		must(answer == (i + 1 < n ? SB_FRAG_WAITS : SB_FRAG_DONE), "piece %u of %u comes to %d", i, n, answer);
	}
	must(done.total == f->l4_len && memcmp(done.l4, p + f->l4, done.total) == 0, "mended it is another datagram");
	give_back(NULL, done.buf);
}

static void one_frame(const uint8_t *data, uint32_t len, uint8_t options, uint64_t now_us)
{
	uint8_t *p = malloc(len ? len : 1); /* of its very size */
	struct sb_frame f;
	struct sb_frag done;
	if (len)
		memcpy(p, data, len);
	fix(p, len, options);
	enum sb_frame_kind kind = sb_frame_decode(p, len, &f);
	inside(&f, kind, len);
	no_buffer = options & NO_BUFFER;
	if (kind == SB_FRAME_UDP || kind == SB_FRAME_ICMP_ERROR)
		sb_frame_checksum_ok(p, &f, kind);
	if (kind == SB_FRAME_UDP)
		cut_and_mend(p, &f, options);
	if (kind == SB_FRAME_FRAGMENT) {
		uint16_t port = options & OTHER_PORT ? 1 : 0;
		pieces[n_pieces++] = (struct piece){f, port, data + f.l4};
		enum sb_frag_answer answer = sb_frag_add(&table, p, &f, port, now_us, &done);
		if (answer == SB_FRAG_DONE) {
			must(done.port == port && done.vlan == f.vlan && sb_addr_same_ip(&done.src, &f.src),
			        "another's datagram");
			made_of_pieces(&done);
			whole_again(&done);
			give_back(NULL, done.buf);
		}
	}
	must(out == (int)table.n_busy, "%d buffers are out, %u are busy", out, table.n_busy);
	free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_bytes in = {data, size};
	uint64_t now_us = 1000000;
	n_pieces = 0;
	for (unsigned n = 0; in.left && n < FRAMES_MAX; n++) {
		uint8_t options = fuzz_u8(&in);
		size_t got;
		const uint8_t *p = fuzz_take(&in, fuzz_u16(&in), &got);
		if (options & LATER) {
			now_us += 1000000;
			sb_frag_expire(&table, now_us);
		}
		one_frame(p, (uint32_t)got, options, now_us);
	}
	sb_frag_expire(&table, now_us + SB_FRAG_LIFE_US + 1);
	must(out == 0 && table.n_busy == 0, "%d buffers are kept for ever", out);
	return 0;
}
