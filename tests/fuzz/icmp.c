/* SPDX-License-Identifier: BSD-3-Clause */
/* icmp: frames with ICMP errors, IPv4 and IPv6, that quote datagrams of ours, in front of a core with a call under way.
 * A leg is given up if, and only if, an unreachable quotes its signed branch and went where it went; everybody else's
 * ICMP, and every forgery, changes nothing. An input is {options, frame}; what looks like a branch in the frame is
 * replaced by a signed one where the options say so, since no fuzzer can sign. */
#include "tests/unit/call/world.h"
#include "tests/fuzz/fuzz.h"
#include "dataplane/net/csum.h"
#include "dataplane/net/decode.h"
#include <netinet/in.h>

#define FRAME_MAX 4096

enum {
	SIGN = 3, /* 0: the leg's own branch; 1: the same with a bit changed; 2: of an earlier life; 3: as it stands */
	KEEP_SUMS = 4,
	SECOND_LEG = 8,    /* the call has moved on to the IPv6 trunk */
	SECOND_PLACE = 16, /* the second thing that looks like a branch is signed, not the first */
};

static struct world *w;
static char branch[2][SB_BRANCH_LEN]; /* of the two legs */
static unsigned sent;

static void on_send(struct world *world, const struct sb_pkt *p)
{
	const char *b = memmem(p->text, p->len, "z9hG4bK", 7);
	if (p->len > 6 && memcmp(p->text, "INVITE", 6) == 0 && b) {
		memcpy(branch[p->peer.family == 6], b, SB_BRANCH_LEN);
		sent++;
	}
}

static struct sb_addr addr(const char *text)
{
	struct sb_addr a;
	must(sb_addr_parse(text, 5060, &a) == 0, "%s", text);
	return a;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	w = world_new(2);
	w->on_send = on_send;
	w->cfg.text_bytes_max = 300000;
	world_restart(w);
	w->listeners[1].addr = addr("[2001:db8::10]:5060");
	w->listeners[1].hostport_len = (uint8_t)sb_addr_format(&w->listeners[1].addr, w->listeners[1].hostport);
	return 0;
}

/* A call whose first trunk is 192.0.2.1, and whose second is 2001:db8::1. */
static void begin(bool second_leg, uint32_t key)
{
	memcpy(w->cfg.keys.boot, &key, sizeof key); /* another one for each input: else fuzzers learn what signs */
	world_reset(w);
	w->trunks[0][1].addr = addr("[2001:db8::1]:5060");
	w->trunks[0][1].listener = 1;
	sent = 0;
	memset(branch, 'x', sizeof branch);
	world_rx(w, world_caller, world_invite(1));
	if (second_leg)
		world_pass(w, 3000);
	must(sent > 0 && (!second_leg || branch[1][0] == 'z'), "the call did not begin");
}

/* The n-th place in the payload where "z9hG4bK" and enough bytes stand. */
static uint8_t *place(uint8_t *p, uint32_t len, unsigned n)
{
	uint8_t *end = p + len;
	while (end - p >= SB_BRANCH_LEN) {
		uint8_t *at = memmem(p, (size_t)(end - p), "z9hG4bK", 7);
		if (!at || end - at < SB_BRANCH_LEN)
			return NULL;
		if (n-- == 0)
			return at;
		p = at + 1;
	}
	return NULL;
}

static void sign(uint8_t *p, uint32_t len, uint8_t options, unsigned leg)
{
	uint8_t *at = place(p, len, options & SECOND_PLACE ? 1 : 0);
	struct sb_keys other = w->cfg.keys;
	struct sb_cookie c;
	if (!at || (options & SIGN) == 3)
		return;
	memcpy(at, branch[leg], SB_BRANCH_LEN);
	if ((options & SIGN) == 1)
		at[SB_BRANCH_LEN - 1] = at[SB_BRANCH_LEN - 1] == '0' ? '1' : '0';
	if ((options & SIGN) == 2 && sb_cookie_read(&w->cfg.keys, branch[leg], SB_BRANCH_LEN, &c) == 0) {
		other.boot[3]++;
		sb_cookie_write(&other, &c, (char *)at);
	}
}

/* As a router would send it. */
static void right_sums(uint8_t *p, uint32_t len)
{
	uint32_t l2 = len >= 18 && p[12] == 0x81 && p[13] == 0 ? 18 : 14, head;
	struct sb_frame f;
	uint16_t sum;
	if (len < l2 + 20)
		return;
	head = (p[l2] & 15) * 4u;
	if (p[l2] >> 4 == 4 && head >= 20 && head <= len - l2) {
		p[l2 + 10] = p[l2 + 11] = 0;
		sum = sb_csum_end(sb_csum_add(0, p + l2, head));
		memcpy(p + l2 + 10, &sum, 2);
	}
	if (sb_frame_decode(p, len, &f) != SB_FRAME_ICMP_ERROR)
		return;
	p[f.l4 + 2] = p[f.l4 + 3] = 0;
	sum = sb_csum_end(sb_csum_add(
	        f.src.family == 6 ? sb_csum_pseudo(&f.src, &f.dst, IPPROTO_ICMPV6, f.l4_len) : 0, p + f.l4, f.l4_len));
	memcpy(p + f.l4 + 2, &sum, 2);
}

/* RFC 3261 18.4: unreachable, or parameter problem; "too big" (RFC 1191, RFC 8201) and "time exceeded" are no verdict.
 */
static bool is_fatal(const uint8_t *p, const struct sb_frame *f)
{
	uint8_t type = p[f->l4], code = p[f->l4 + 1];
	if (f->src.family == 6)
		return type == 1 || type == 4;
	return (type == 3 && code != 4) || type == 12;
}

/* What must come of it, found without the product: does the leg's own branch stand in the quote? */
static bool is_quoted(const uint8_t *p, const struct sb_frame *f, unsigned leg)
{
	const struct sb_addr *to = &w->trunks[0][leg].addr;
	return is_fatal(p, f) && sb_addr_eq(&f->to, to) && memmem(p + f->data, f->data_len, branch[leg], SB_BRANCH_LEN);
}

static void deliver(const uint8_t *p, const struct sb_frame *f, unsigned leg)
{
	unsigned before = sent;
	char *quote = malloc(f->data_len ? f->data_len : 1); /* of its very size */
	memcpy(quote, p + f->data, f->data_len);
	bool quoted = is_quoted(p, f, leg);
	enum sb_counter end = sb_core_icmp(w->core, &f->to, quote, f->data_len, f->fatal, w->now_us).counter;
	free(quote);
	world_mail(w);
	must(w->buffers == 0, "%d buffers are kept", w->buffers);
	must(end == SB_C_end_consumed || end == SB_C_drop_stray_icmp || end == SB_C_drop_forged_cookie,
	        "it ended as %d", end);
	must((end == SB_C_end_consumed) == quoted, "quoted %d, it ended as %d", quoted, end);
	must(quoted ? world_told(w, SB_MAIL_EVIDENCE, SB_EV_ICMP) == 1
	            : world_told(w, SB_MAIL_EVIDENCE, SB_EV_ICMP) == 0,
	        "quoted %d, but health was told otherwise", quoted);
	must(sent - before == (quoted && leg == 0), "%u INVITEs went out", sent - before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sb_frame f;
	if (size < 1 || size > FRAME_MAX)
		return 0;
	uint8_t options = data[0];
	unsigned leg = options & SECOND_LEG ? 1 : 0;
	uint32_t len = (uint32_t)size - 1;
	uint8_t *p = malloc(len ? len : 1); /* of its very size */
	memcpy(p, data + 1, len);
	begin(leg, fuzz_hash(data, size));
	sign(p, len, options, leg);
	if (!(options & KEEP_SUMS))
		right_sums(p, len);
	if (sb_frame_decode(p, len, &f) == SB_FRAME_ICMP_ERROR && sb_frame_checksum_ok(p, &f, SB_FRAME_ICMP_ERROR))
		deliver(p, &f, leg);
	free(p);
	return 0;
}
