/* SPDX-License-Identifier: BSD-3-Clause */
/* keys.c - see keys.h. All that leaves is hashed with a leading number of its own kind, so that no token can stand for
 * another. */
#include "dataplane/sip/keys.h"
#include "dataplane/sip/siphash.h"
#include <switchback/err.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

enum domain { DOMAIN_COOKIE = 1, DOMAIN_RECORD_ROUTE, DOMAIN_BRANCH, DOMAIN_TAG, DOMAIN_KEY };

#define COOKIE_BYTES 12
#define PREFIX_LEN   7

static uint64_t load_be64(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, 8);
	return __builtin_bswap64(v);
}

static uint32_t load_be32(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, 4);
	return __builtin_bswap32(v);
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "what is big-endian is swapped");

/* The sixteen digits of v. */
static inline void hex16(uint64_t v, char *out)
{
	v = __builtin_bswap64(v);
#ifdef __SSE2__
	__m128i bytes = _mm_cvtsi64_si128((long long)v), mask = _mm_set1_epi8(15);
	__m128i n = _mm_unpacklo_epi8(_mm_and_si128(_mm_srli_epi16(bytes, 4), mask), _mm_and_si128(bytes, mask));
	__m128i letter = _mm_and_si128(_mm_cmpgt_epi8(n, _mm_set1_epi8(9)), _mm_set1_epi8('a' - '0' - 10));
	_mm_storeu_si128((__m128i_u *)out, _mm_add_epi8(_mm_add_epi8(n, _mm_set1_epi8('0')), letter));
#else
	for (unsigned i = 0; i < 16; i++)
		out[i] = "0123456789abcdef"[v >> (8 * (i / 2) + (i % 2 ? 0 : 4)) & 15];
#endif
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
static uint64_t cookie_mac(const struct sb_keys *k, uint64_t id, uint32_t loop)
{
	uint64_t v[4];
	siphash_begin(v, id >> 62 == SB_COOKIE_TXN ? k->boot : k->fleet);
	siphash_add(v, id, 2);
	return siphash_end(v, loop | (uint64_t)DOMAIN_COOKIE << 32, 2, 4);
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
		break;
	case SB_COOKIE_PROBE:
		id = (uint64_t)(c->slot & 0xffff) << 32 | c->id;
		break;
	}
	id |= (uint64_t)c->kind << 62;
	uint64_t mac = c->kind == SB_COOKIE_STATELESS ? c->mac : cookie_mac(k, id, c->loop);
	memcpy(out, "z9hG4bK", PREFIX_LEN);
	hex16(id, out + PREFIX_LEN);
	hex16((uint64_t)c->loop << 32, out + PREFIX_LEN + 16); /* the half that is none of it is written over */
	hex16(mac, out + SB_BRANCH_LEN - 16);
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

static int unpack(uint64_t id, uint32_t loop, uint64_t mac, struct sb_cookie *c)
{
	memset(c, 0, sizeof *c);
	c->kind = (enum sb_cookie_kind)(id >> 62);
	c->loop = loop;
	switch (c->kind) {
	case SB_COOKIE_TXN:
		c->worker = id >> 56 & 63;
		c->leg = id >> 50 & 63;
		c->slot = id >> 26 & (SB_COOKIE_SLOTS_MAX - 1);
		c->gen = id & SB_COOKIE_GEN_MASK;
		return 0;
	case SB_COOKIE_STATELESS:
		c->mac = mac;
		return id << 2 ? SB_E_FORGED : 0;
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
	uint64_t id = load_be64(bytes), mac = load_be64(bytes + COOKIE_BYTES);
	uint32_t loop = load_be32(bytes + 8);
	if (id >> 62 != SB_COOKIE_STATELESS && mac != cookie_mac(k, id, loop))
		return SB_E_FORGED;
	return unpack(id, loop, mac, c);
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
		if (err == 0 && c->kind == SB_COOKIE_STATELESS)
			err = SB_E_FORGED; /* nobody can tell from a quote, and anybody can write one above ours */
		if (err == 0)
			break;
	}
	return err;
}

/* SipHash-c-d of: kind and lengths, the words, the pieces, each filled up with zeros. */
static inline __attribute__((always_inline)) uint64_t mac(const uint8_t key[16], enum domain domain,
        const uint64_t *words, unsigned n_words, const struct sb_piece *pieces, unsigned n, unsigned c, unsigned d)
{
	uint64_t v[4], lengths = 0;
	siphash_begin(v, key);
	for (unsigned i = 0; i < n; i++)
		lengths |= (uint64_t)(pieces[i].len & 0xffff) << 16 * i;
	siphash_add(v, lengths | (uint64_t)domain << 56, c);
	for (unsigned i = 0; i < n_words; i++)
		siphash_add(v, words[i], c);
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *p = pieces[i].p, *end = p + pieces[i].len;
		for (; end - p >= 8; p += 8)
			siphash_add(v, siphash_word(p), c);
		if (p < end)
			siphash_add(v, siphash_tail(p, (size_t)(end - p)), c);
	}
	v[2] ^= 0xff;
	siphash_rounds(v, d);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
_Static_assert(16 * SB_PIECES_MAX <= 48, "the lengths leave the topmost byte to the domain");

void sb_rr_token(const struct sb_keys *k, const char *call_id, size_t call_id_len, const char *tag, size_t tag_len,
        const char *hostport, size_t hostport_len, char out[SB_RR_TOKEN_LEN])
{
	const struct sb_piece pieces[] = {{call_id, call_id_len}, {tag, tag_len}, {hostport, hostport_len}};
	hex16(mac(k->fleet, DOMAIN_RECORD_ROUTE, NULL, 0, pieces, 3, 2, 4), out);
}

uint64_t sb_branch_mac(
        const struct sb_keys *k, const uint64_t words[SB_MAC_WORDS], const struct sb_piece *pieces, unsigned n)
{
	return mac(k->fleet, DOMAIN_BRANCH, words, SB_MAC_WORDS, pieces, n, 1, 3);
}

uint64_t sb_tag_mac(
        const struct sb_keys *k, const uint64_t words[SB_MAC_WORDS], const struct sb_piece *pieces, unsigned n)
{
	return mac(k->boot, DOMAIN_TAG, words, SB_MAC_WORDS, pieces, n, 2, 4);
}

void sb_tag_write(uint64_t tag, char out[16])
{
	hex16(tag, out);
}

void sb_hash_key(const struct sb_keys *k, uint32_t purpose, uint8_t key[16])
{
	for (uint64_t half = 0; half < 2; half++) {
		const uint64_t words[SB_MAC_WORDS] = {purpose, half};
		uint64_t h = mac(k->boot, DOMAIN_KEY, words, SB_MAC_WORDS, NULL, 0, 2, 4);
		memcpy(key + 8 * half, &h, sizeof h);
	}
}

static uint64_t hash_plain(const uint8_t key[16], uint64_t number, const struct sb_piece *pieces, unsigned n)
{
	uint64_t v[4];
	siphash_begin(v, key);
	siphash_add(v, number, 1);
	for (unsigned i = 0; i < n; i++) {
		size_t at = 0;
		for (; at + 8 <= pieces[i].len; at += 8)
			siphash_add(v, siphash_word((const uint8_t *)pieces[i].p + at), 1);
		size_t rest = pieces[i].len & 7; /* 0: perhaps nothing follows that may be read */
		uint64_t last = rest ? siphash_tail((const uint8_t *)pieces[i].p + at, rest) : 0;
		siphash_add(v, last | (uint64_t)pieces[i].len << 56, 1);
	}
	return siphash_end(v, n, 1, 3);
}

#ifdef __x86_64__
static const uint8_t first_bytes[32] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

/* Two rounds of AES for every 16 bytes and every length, three to end with. With one round between two blocks, changes
 * could be made that cancel one another whatever the key is. */
__attribute__((target("aes"))) static uint64_t hash_aes(
        const uint8_t key[16], uint64_t number, const struct sb_piece *pieces, unsigned n)
{
	const __m128i k = _mm_loadu_si128((const __m128i_u *)key);
	__m128i v = _mm_xor_si128(k, _mm_cvtsi64_si128((long long)number));
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *p = pieces[i].p, *end = p + pieces[i].len;
		v = _mm_xor_si128(v, _mm_set_epi64x((long long)pieces[i].len, 0));
		for (; end - p >= 16; p += 16)
			v = _mm_aesenc_si128(
			        _mm_aesenc_si128(_mm_xor_si128(v, _mm_loadu_si128((const __m128i_u *)p)), k), k);
		if (p < end) {
			__m128i mask = _mm_loadu_si128((const __m128i_u *)(first_bytes + 16 - (end - p)));
			__m128i tail = _mm_and_si128(_mm_loadu_si128((const __m128i_u *)p), mask);
			v = _mm_xor_si128(v, tail);
		}
		v = _mm_aesenc_si128(_mm_aesenc_si128(v, k), k);
	}
	for (unsigned i = 0; i < 3; i++)
		v = _mm_aesenc_si128(v, k);
	return (uint64_t)_mm_cvtsi128_si64(v);
}
#endif

uint64_t sb_hash(const uint8_t key[16], uint64_t number, const struct sb_piece *pieces, unsigned n)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("aes"))
		return hash_aes(key, number, pieces, n);
#endif
	return hash_plain(key, number, pieces, n);
}
