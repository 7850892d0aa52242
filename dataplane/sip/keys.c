/* SPDX-License-Identifier: BSD-3-Clause */
/* keys.c - see keys.h. All that leaves is hashed with a leading byte of its own kind, so that no token can stand for
 * another. */
#include "dataplane/sip/keys.h"
#include "dataplane/sip/siphash.h"
#include <switchback/err.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum domain { DOMAIN_COOKIE = 1, DOMAIN_RECORD_ROUTE, DOMAIN_TABLE, DOMAIN_LONG, DOMAIN_BRANCH };

#define COOKIE_BYTES 12
#define PREFIX_LEN   7

static void store_be(uint8_t *p, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> 8 * (n - 1 - i));
}

static uint64_t load_be(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static void hex(const uint8_t *p, unsigned n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	for (unsigned i = 0; i < n; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
}

#ifdef __SSE2__
/* Sixteen digits to eight bytes. Nonzero: some are none. */
static inline int unhex16(__m128i c, uint8_t out[8])
{
	__m128i digit = _mm_sub_epi8(c, _mm_set1_epi8('0'));
	__m128i letter = _mm_sub_epi8(_mm_or_si128(c, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
	__m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
	__m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter);
	__m128i v = _mm_or_si128(
	        _mm_and_si128(is_digit, digit), _mm_andnot_si128(is_digit, _mm_add_epi8(letter, _mm_set1_epi8(10))));
	v = _mm_or_si128(_mm_slli_epi16(_mm_and_si128(v, _mm_set1_epi16(0xff)), 4), _mm_srli_epi16(v, 8));
	_mm_storel_epi64((__m128i_u *)out, _mm_packus_epi16(v, v));
	return _mm_movemask_epi8(_mm_or_si128(is_digit, is_letter)) ^ 0xffff;
}
#endif

/* n is a multiple of four. */
static bool unhex(const char *s, unsigned n, uint8_t *out)
{
#ifdef __SSE2__
	uint8_t rest[8];
	int bad = 0;
	for (; n >= 8; s += 16, n -= 8, out += 8)
		bad |= unhex16(_mm_loadu_si128((const __m128i_u *)s), out);
	if (n) {
		bad |= unhex16(_mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i_u *)s), _mm_set1_epi8('0')), rest);
		memcpy(out, rest, 4);
	}
	return !bad;
#endif
	for (unsigned i = 0; i < 2 * n; i++) {
		unsigned c = (uint8_t)s[i], letter = (c | 0x20) - 'a', digit = c - '0';
		unsigned v = digit < 10 ? digit : letter < 6 ? letter + 10 : 16;
		if (v == 16)
			return false;
		out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | v : v << 4);
	}
	return true;
}

/* With the boot key an answer to an earlier life of this process is stray, never mistaken. */
static uint64_t cookie_mac(const struct sb_keys *k, const uint8_t bytes[COOKIE_BYTES])
{
	uint8_t in[1 + COOKIE_BYTES] = {DOMAIN_COOKIE};
	memcpy(in + 1, bytes, COOKIE_BYTES);
	return siphash(bytes[0] >> 6 == SB_COOKIE_TXN ? k->boot : k->fleet, in, sizeof in, 2, 4);
}

void sb_cookie_write(const struct sb_keys *k, const struct sb_cookie *c, char out[SB_BRANCH_LEN])
{
	uint64_t id = 0;
	switch (c->kind) {
	case SB_COOKIE_TXN:
		id = (uint64_t)(c->worker & 63) << 56 | (uint64_t)(c->leg & 63) << 50 |
		     (uint64_t)(c->slot & (SB_COOKIE_SLOTS_MAX - 1)) << 26 | (c->gen & SB_COOKIE_GEN_MASK);
		break;
	case SB_COOKIE_STATELESS:
		id = c->id & ((1ull << 62) - 1);
		break;
	case SB_COOKIE_PROBE:
		id = (uint64_t)(c->slot & 0xffff) << 32 | (uint32_t)c->id;
		break;
	}
	uint8_t bytes[COOKIE_BYTES + 8];
	store_be(bytes, id | (uint64_t)c->kind << 62, 8);
	store_be(bytes + 8, c->loop, 4);
	store_be(bytes + COOKIE_BYTES, cookie_mac(k, bytes), 8);
	memcpy(out, "z9hG4bK", PREFIX_LEN);
	hex(bytes, sizeof bytes, out + PREFIX_LEN);
}

/* RFC 3261 7.3.1: tokens are compared without regard to case, and some peers do change it. */
static bool has_prefix(const char *branch)
{
	for (unsigned i = 0; i < PREFIX_LEN; i++) {
		char c = branch[i];
		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		if (c != "z9hg4bk"[i])
			return false;
	}
	return true;
}

static int unpack(const uint8_t bytes[COOKIE_BYTES], struct sb_cookie *c)
{
	uint64_t id = load_be(bytes, 8);
	memset(c, 0, sizeof *c);
	c->kind = (enum sb_cookie_kind)(id >> 62);
	c->loop = (uint32_t)load_be(bytes + 8, 4);
	switch (c->kind) {
	case SB_COOKIE_TXN:
		c->worker = id >> 56 & 63;
		c->leg = id >> 50 & 63;
		c->slot = id >> 26 & (SB_COOKIE_SLOTS_MAX - 1);
		c->gen = id & SB_COOKIE_GEN_MASK;
		return 0;
	case SB_COOKIE_STATELESS:
		c->id = id & ((1ull << 62) - 1);
		return 0;
	case SB_COOKIE_PROBE:
		c->slot = id >> 32 & 0xffff;
		c->id = (uint32_t)id;
		return 0;
	}
	return SB_E_FORGED; /* a kind that is never written */
}

int sb_cookie_read(const struct sb_keys *k, const char *branch, size_t len, struct sb_cookie *c)
{
	uint8_t bytes[COOKIE_BYTES + 8];
	if (len != SB_BRANCH_LEN || !has_prefix(branch) || !unhex(branch + PREFIX_LEN, sizeof bytes, bytes))
		return SB_E_INVAL;
	if (load_be(bytes + COOKIE_BYTES, 8) != cookie_mac(k, bytes))
		return SB_E_FORGED;
	return unpack(bytes, c);
}

int sb_cookie_peek(const char *branch, size_t len, struct sb_cookie *c)
{
	uint8_t bytes[COOKIE_BYTES];
	if (len != SB_BRANCH_LEN || !unhex(branch + PREFIX_LEN, sizeof bytes, bytes))
		return SB_E_INVAL;
	return unpack(bytes, c);
}

const char *sb_branch_find(const char *text, const char *end)
{
	uint8_t bytes[COOKIE_BYTES + 8];
	while (end - text >= SB_BRANCH_LEN) {
		const char *at = memmem(text, (size_t)(end - text), "z9hG4bK", PREFIX_LEN);
		if (!at || end - at < SB_BRANCH_LEN)
			return NULL;
		if (unhex(at + PREFIX_LEN, sizeof bytes, bytes))
			return at;
		text = at + 1;
	}
	return NULL;
}

int sb_cookie_find(const struct sb_keys *k, const char *text, size_t len, struct sb_cookie *c)
{
	const char *end = text + len;
	int err = SB_E_INVAL;
	for (const char *at = len ? sb_branch_find(text, end) : NULL; at; at = sb_branch_find(at + 1, end)) {
		err = sb_cookie_read(k, at, SB_BRANCH_LEN, c);
		if (err == 0)
			break;
	}
	return err;
}

#define SHORT_BYTES 256 /* pieces that fit are hashed in one go */
#define PIECES_MAX  4

/* Too long to copy together: the hash of the pieces' hashes. */
static uint64_t hash_long(const uint8_t key[16], uint8_t domain, const struct sb_piece *pieces, unsigned n)
{
	uint8_t in[2 + PIECES_MAX * 16] = {DOMAIN_LONG, domain};
	size_t at = 2;
	for (unsigned i = 0; i < n; i++, at += 16) {
		store_be(in + at, pieces[i].len, 8);
		store_be(in + at + 8, siphash(key, pieces[i].p, pieces[i].len, 2, 4), 8);
	}
	return siphash(key, in, at, 2, 4);
}

/* Short ones, without a call. */
static inline void copy(uint8_t *to, const uint8_t *from, size_t n)
{
	if (n > 64) {
		memcpy(to, from, n);
	} else if (n >= 16) {
		for (size_t i = 0; i + 16 < n; i += 16)
			memcpy(to + i, from + i, 16);
		memcpy(to + n - 16, from + n - 16, 16);
	} else if (n >= 8) {
		memcpy(to, from, 8);
		memcpy(to + n - 8, from + n - 8, 8);
	} else {
		for (size_t i = 0; i < n; i++)
			to[i] = from[i];
	}
}

/* The pieces, each with its length before it, in one row. Their length; 0: they do not fit. */
static inline size_t gather(uint8_t in[SHORT_BYTES], uint8_t domain, const struct sb_piece *pieces, unsigned n)
{
	size_t at = 0;
	in[at++] = domain;
	for (unsigned i = 0; i < n; i++) {
		if (SHORT_BYTES - at < 2 || pieces[i].len > SHORT_BYTES - at - 2)
			return 0;
		in[at] = (uint8_t)(pieces[i].len >> 8);
		in[at + 1] = (uint8_t)pieces[i].len;
		copy(in + at + 2, pieces[i].p, pieces[i].len);
		at += 2 + pieces[i].len;
	}
	return at;
}

void sb_rr_token(const struct sb_keys *k, const char *call_id, size_t call_id_len, const char *tag, size_t tag_len,
        const char *hostport, size_t hostport_len, char out[SB_RR_TOKEN_LEN])
{
	const struct sb_piece pieces[] = {{call_id, call_id_len}, {tag, tag_len}, {hostport, hostport_len}};
	uint8_t mac[8], in[SHORT_BYTES];
	size_t len = gather(in, DOMAIN_RECORD_ROUTE, pieces, 3);
	store_be(mac, len ? siphash(k->fleet, in, len, 2, 4) : hash_long(k->fleet, DOMAIN_RECORD_ROUTE, pieces, 3),
	        sizeof mac);
	hex(mac, sizeof mac, out);
}

uint64_t sb_branch_mac(const struct sb_keys *k, const struct sb_piece *pieces, unsigned n)
{
	uint8_t in[SHORT_BYTES];
	n = n > PIECES_MAX ? PIECES_MAX : n;
	size_t len = gather(in, DOMAIN_BRANCH, pieces, n);
	return len ? siphash(k->fleet, in, len, 2, 4) : hash_long(k->fleet, DOMAIN_BRANCH, pieces, n);
}

uint64_t sb_hash(const uint8_t key[16], const struct sb_piece *pieces, unsigned n)
{
	uint8_t in[SHORT_BYTES];
	n = n > PIECES_MAX ? PIECES_MAX : n;
	size_t len = gather(in, DOMAIN_TABLE, pieces, n);
	return len ? siphash(key, in, len, 1, 3) : hash_long(key, DOMAIN_TABLE, pieces, n);
}
