/* SPDX-License-Identifier: BSD-3-Clause */
/* prefix.h - dialled prefixes and the longest that a number begins with, in the time of about one cache miss among tens
 * of millions.
 *
 * A prefix of at most 16 digits, '+', '*', '#', '.' and '-' is its own key, 4 bits a character: what is in the table
 * needs no text to be verified by. A key lies in one line of the cache among 64 bytes that nothing else is in, and with
 * it what it leads to; the lines of all lengths in use are asked for at once. Other prefixes (longer, with letters) are
 * few: they have a table of their own, by hash and text. Owner: the builder fills it, then nobody writes it. Pure: libc
 * alone; memory is handed in. */
#pragma once
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SB_PREFIX_MAX       32 /* characters of a dialled number that count, with the NUL */
#define SB_PREFIX_KEY_MAX   16 /* characters of a key */
#define SB_PREFIX_LINE      5  /* keys of a line */
#define SB_PREFIX_NONE      UINT32_MAX
#define SB_PREFIX_BIG       (1u << 31) /* of a place: it is in other[] */
#define SB_PREFIX_LOAD      2          /* keys for each line: one in 60 has more than it can hold */
#define SB_PREFIX_COUNT_MAX (1u << 27)

struct sb_prefix_line {
	alignas(64) uint64_t key[SB_PREFIX_LINE]; /* 0: empty; filled from the front */
	uint32_t route[SB_PREFIX_LINE];
	uint32_t over; /* keys that belong here or before, and lie behind: 0 ends a search */
};
_Static_assert(sizeof(struct sb_prefix_line) == 64, "a look-up costs one line of the cache");

struct sb_prefix_other {
	uint64_t hash; /* 0: empty */
	uint32_t text; /* offset in text[], NUL-terminated */
	uint32_t route;
};

/* All zero: empty, and finds nothing. */
struct sb_prefix_table {
	struct sb_prefix_line *line;
	struct sb_prefix_other *other; /* open addressing */
	char *text;                    /* of other[]; what follows the last is readable for SB_PREFIX_MAX bytes */
	uint32_t *place;               /* of each prefix in the order of putting: see sb_prefix_get() */
	uint32_t n, n_lines, other_mask, text_used;
	uint32_t lengths, other_lengths; /* bit n: some prefix has n characters */
};

/* A character's 4 bits; 0: it has none. */
static inline unsigned sb_prefix_code(char c)
{
	if ((uint8_t)(c - '0') < 10)
		return (unsigned)(c - '0') + 1;
	return c == '+' ? 11 : c == '*' ? 12 : c == '#' ? 13 : c == '.' ? 14 : c == '-' ? 15 : 0;
}

static inline uint32_t sb_prefix_line_of(const struct sb_prefix_table *t, uint64_t key)
{
	key *= 0xff51afd7ed558ccdull;
	key = (key ^ key >> 32) * 0xc4ceb9fe1a85ec53ull;
	return (uint32_t)((key >> 32) * t->n_lines >> 32);
}

/* One step of the hash of a text: start with SB_PREFIX_SEED, feed characters, finish. Never 0. */
#define SB_PREFIX_SEED 0x9e3779b97f4a7c15ull
static inline uint64_t sb_prefix_step(uint64_t h, uint8_t c)
{
	return (h ^ c) * 0xff51afd7ed558ccdull;
}

static inline uint64_t sb_prefix_finish(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xc4ceb9fe1a85ec53ull;
	h ^= h >> 29;
	return h ? h : 1;
}

/* The key of a text; 0: it has none. */
static inline uint64_t sb_prefix_key(const char *text, size_t len)
{
	uint64_t key = 0;
	if (len > SB_PREFIX_KEY_MAX)
		return 0;
	for (size_t i = 0; i < len; i++) {
		unsigned code = sb_prefix_code(text[i]);
		if (!code)
			return 0;
		key = key << 4 | code;
	}
	return key;
}

/* Which of a line's keys it is, one bit each; 0: none of them. Without a branch: what comes from far away is waited for
 * once. */
static inline uint32_t sb_prefix_hit(const struct sb_prefix_line *l, uint64_t key)
{
	uint32_t hit = 0;
	for (uint32_t i = 0; i < SB_PREFIX_LINE; i++)
		hit |= (uint32_t)(l->key[i] == key) << i;
	return hit;
}

/* Where the key is, line * 8 + place in it, looked for from line at on; SB_PREFIX_NONE. Ends with the first line that
 * nothing spills over. */
static inline uint32_t sb_prefix_seek(const struct sb_prefix_table *t, uint64_t key, uint32_t at)
{
	for (uint32_t n = 0; n < t->n_lines; n++) {
		uint32_t hit = sb_prefix_hit(&t->line[at], key);
		if (hit)
			return at * 8 + (uint32_t)__builtin_ctz(hit);
		if (!t->line[at].over)
			break;
		at = at + 1 < t->n_lines ? at + 1 : 0;
	}
	return SB_PREFIX_NONE;
}

/* The slot of other[] where text[0..len) is or, if it is nowhere, belongs. At half load there is an empty one. */
static inline uint32_t sb_prefix_seek_other(
        const struct sb_prefix_table *t, uint64_t hash, const char *text, size_t len)
{
	uint32_t at = (uint32_t)hash & t->other_mask;
	for (; t->other[at].hash; at = (at + 1) & t->other_mask) {
		const char *known = t->text + t->other[at].text;
		if (t->other[at].hash == hash && memcmp(known, text, len) == 0 && !known[len])
			break;
	}
	return at;
}

/* The longest among those that have no key; len at most SB_PREFIX_MAX - 1. Apart, for it is rare. */
static inline uint32_t sb_prefix_match_other(const struct sb_prefix_table *t, const char *number, size_t *len)
{
	uint64_t hash[SB_PREFIX_MAX], h = SB_PREFIX_SEED;
	for (size_t n = 1; n <= *len; n++) {
		h = sb_prefix_step(h, (uint8_t)number[n - 1]);
		hash[n] = sb_prefix_finish(h);
		if (t->other_lengths >> n & 1)
			__builtin_prefetch(&t->other[hash[n] & t->other_mask]);
	}
	for (size_t n = *len; n >= 1; n--) {
		if (!(t->other_lengths >> n & 1))
			continue;
		const struct sb_prefix_other *o = &t->other[sb_prefix_seek_other(t, hash[n], number, n)];
		if (o->hash) {
			*len = n;
			return o->route;
		}
	}
	*len = 0;
	return SB_PREFIX_NONE;
}

/* text[0..len) in 8 bytes, the first the lowest, padded with NULs; nothing behind it is read. */
static inline uint64_t sb_prefix_chars(const char *text, size_t len)
{
	uint64_t chars = 0;
	if (len >= 8)
		memcpy(&chars, text, 8);
	else
		for (size_t i = 0; i < len; i++)
			chars |= (uint64_t)(uint8_t)text[i] << 8 * i;
	return len >= 8 && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(chars) : chars;
}

/* The codes of 8 characters, the first the highest; *n: how many have one before the first that has none. Digits are
 * done all at once. */
static inline uint64_t sb_prefix_codes(uint64_t chars, unsigned *n)
{
	const uint64_t each = 0x0101010101010101ull;
	uint64_t d = chars ^ each * '0';
	uint64_t odd = (((d & each * 0x7f) + each * 0x76) | d) & each * 0x80; /* no digit */
	d = (d + each) & ~((odd >> 7) * 0xff);
	for (*n = 8; odd; odd &= odd - 1) {
		unsigned at = (unsigned)__builtin_ctzll(odd) / 8, code = sb_prefix_code((char)(chars >> 8 * at));
		d |= (uint64_t)code << 8 * at;
		if (code)
			continue;
		*n = at;
		break;
	}
	d = __builtin_bswap64(d);
	d = (d | d >> 4) & 0x00ff00ff00ff00ffull;
	d = (d | d >> 8) & 0x0000ffff0000ffffull;
	return (d | d >> 16) & 0xffffffff;
}

/* A number's first characters as a key, left-aligned; *n: how many there are. */
static inline uint64_t sb_prefix_number_key(const char *number, size_t len, unsigned *n)
{
	unsigned more = 0;
	uint64_t key = sb_prefix_codes(sb_prefix_chars(number, len), n) << 32;
	if (*n == 8 && len > 8) {
		key |= sb_prefix_codes(sb_prefix_chars(number + 8, len - 8), &more);
		*n += more;
	}
	return key;
}

/* What the longest prefix of number[0..*len) leads to, *len then its length; SB_PREFIX_NONE and 0 if there is none.
 * Bounded by the lengths in use, and for each by the few lines that keys spill over. */
static inline uint32_t sb_prefix_match(const struct sb_prefix_table *t, const char *number, size_t *len)
{
	uint32_t at[SB_PREFIX_KEY_MAX + 1], route = SB_PREFIX_NONE, lengths;
	size_t whole = *len < SB_PREFIX_MAX ? *len : SB_PREFIX_MAX - 1;
	unsigned n;
	uint64_t key = sb_prefix_number_key(number, whole, &n);
	lengths = t->lengths & ((2u << n) - 1);
	for (uint32_t l = lengths; l; l &= l - 1) {
		n = (unsigned)__builtin_ctz(l);
		at[n] = sb_prefix_line_of(t, key >> (64 - 4 * n));
		__builtin_prefetch(&t->line[at[n]]);
	}
	*len = 0;
	for (; lengths; lengths &= ~(1u << n)) {
		n = 31 - (unsigned)__builtin_clz(lengths);
		uint32_t place = sb_prefix_seek(t, key >> (64 - 4 * n), at[n]);
		if (place == SB_PREFIX_NONE)
			continue;
		*len = n;
		route = t->line[place / 8].route[place % 8];
		break;
	}
	if (t->other_lengths) {
		uint32_t other = sb_prefix_match_other(t, number, &whole);
		if (whole > *len) {
			*len = whole;
			return other;
		}
	}
	return route;
}

/* Builder: which in the order of putting lies at a place. It looks through all of them. */
static inline uint32_t sb_prefix_number(const struct sb_prefix_table *t, uint32_t place)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (t->place[i] == place)
			return i;
	return SB_PREFIX_NONE;
}

static inline uint32_t sb_prefix_put_key(struct sb_prefix_table *t, uint64_t key, size_t len, uint32_t route)
{
	uint32_t at = sb_prefix_line_of(t, key), there = sb_prefix_seek(t, key, at);
	if (there != SB_PREFIX_NONE)
		return there;
	while (t->line[at].key[SB_PREFIX_LINE - 1]) {
		t->line[at].over++;
		at = at + 1 < t->n_lines ? at + 1 : 0;
	}
	uint32_t i = 0;
	while (t->line[at].key[i])
		i++;
	t->line[at].key[i] = key;
	t->line[at].route[i] = route;
	t->lengths |= 1u << len;
	t->place[t->n++] = at * 8 + i;
	return SB_PREFIX_NONE;
}

/* Builder: puts text[0..len), of 1 to SB_PREFIX_MAX - 1 characters, none of them NUL, leading to route. SB_PREFIX_NONE,
 * or the place where it is already: nothing has changed then. There is room for it: lines as SB_PREFIX_LOAD says,
 * other[] with twice as many slots as are put, text[] for all texts of other[] with their NULs. */
static inline uint32_t sb_prefix_put(struct sb_prefix_table *t, const char *text, size_t len, uint32_t route)
{
	uint64_t key = sb_prefix_key(text, len), hash = SB_PREFIX_SEED;
	if (key)
		return sb_prefix_put_key(t, key, len, route);
	for (size_t i = 0; i < len; i++)
		hash = sb_prefix_step(hash, (uint8_t)text[i]);
	hash = sb_prefix_finish(hash);
	uint32_t at = sb_prefix_seek_other(t, hash, text, len);
	if (t->other[at].hash)
		return SB_PREFIX_BIG | at;
	t->other[at] = (struct sb_prefix_other){hash, t->text_used, route};
	memcpy(t->text + t->text_used, text, len);
	t->text[t->text_used + len] = 0;
	t->text_used += (uint32_t)len + 1;
	t->other_lengths |= 1u << len;
	t->place[t->n++] = SB_PREFIX_BIG | at;
	return SB_PREFIX_NONE;
}

/* The i-th prefix in the order of putting: its text into out, and what it leads to. */
static inline uint32_t sb_prefix_get(const struct sb_prefix_table *t, uint32_t i, char out[SB_PREFIX_MAX])
{
	uint32_t place = t->place[i];
	if (place & SB_PREFIX_BIG) {
		const struct sb_prefix_other *o = &t->other[place & ~SB_PREFIX_BIG];
		strcpy(out, t->text + o->text);
		return o->route;
	}
	const struct sb_prefix_line *l = &t->line[place / 8];
	uint64_t key = l->key[place % 8];
	unsigned len = (63 - (unsigned)__builtin_clzll(key)) / 4 + 1;
	out[len] = 0;
	for (; len; key >>= 4)
		out[--len] = " 0123456789+*#.-"[key & 15];
	return l->route[place % 8];
}
