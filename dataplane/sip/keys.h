/* SPDX-License-Identifier: BSD-3-Clause */
/* keys.h - keyed tokens: the cookie in our Via branch, the signature in our Record-Route, and table hashes.
 * What leaves is signed with SipHash-2-4, as libsodium's crypto_shorthash; tables use rounds of AES where the processor
 * has them, else SipHash-1-3. Pure: keys are handed in. */
#pragma once
#include <switchback/addr.h>
#include <stdint.h>

struct sb_keys {
	uint8_t fleet[16]; /* persistent, state_dir/rr.key, shared by a fleet: Record-Route and stateless branches */
	uint8_t boot[16];  /* fresh each start: transaction cookies and hash tables */
};

enum sb_cookie_kind { SB_COOKIE_TXN, SB_COOKIE_STATELESS, SB_COOKIE_PROBE };

/* What our Via branch says. TXN: a leg of a transaction. PROBE: trunk's health slot and probe id. STATELESS: a request
 * in a dialog; only who sees its Via below can tell whether it is ours, by mac. loop: hash of what RFC 3261 16.6 step 8
 * asks; STATELESS: of the listener that the request came in by. */
struct sb_cookie {
	enum sb_cookie_kind kind;
	uint8_t worker; /* < 64 */
	uint8_t leg;    /* < 64 */
	uint32_t slot;  /* < 2^24; PROBE: health slot */
	uint32_t gen;   /* < 2^26 (SB_COOKIE_GEN_MASK) */
	uint32_t id;    /* PROBE: probe id */
	uint32_t loop;
	uint64_t mac; /* STATELESS: sb_branch_mac() */
};

#define SB_COOKIE_GEN_MASK  0x3ffffffu
#define SB_COOKIE_SLOTS_MAX (1u << 24)
#define SB_BRANCH_LEN       47 /* "z9hG4bK" and 40 hex digits: id 16, loop 8, MAC 16 */

/* TXN is signed with the boot key, PROBE with the fleet key; a STATELESS one's signature is its mac. */
void sb_cookie_write(const struct sb_keys *k, const struct sb_cookie *c, char out[SB_BRANCH_LEN]);

/* 0; SB_E_INVAL: not of our shape; SB_E_FORGED: our shape, wrong MAC. A STATELESS one's mac is the caller's to check.
 */
int sb_cookie_read(const struct sb_keys *k, const char *branch, size_t len, struct sb_cookie *c);

/* The next place in [text, end) that has the shape of our branch; NULL: none. For quotes in ICMP errors, where text of
 * others may hold anything. */
const char *sb_branch_find(const char *text, const char *end);

/* The first signed branch in len bytes of such a quote. 0; SB_E_FORGED: only unsigned ones; SB_E_INVAL: none. */
int sb_cookie_find(const struct sb_keys *k, const char *text, size_t len, struct sb_cookie *c);

/* Record-Route token: MAC over Call-ID, the dialog initiator's tag and the listener's hostport. 16 hex digits. Each
 * text has eight readable bytes behind it. */
#define SB_RR_TOKEN_LEN 16
void sb_rr_token(const struct sb_keys *k, const char *call_id, size_t call_id_len, const char *tag, size_t tag_len,
        const char *hostport, size_t hostport_len, char out[SB_RR_TOKEN_LEN]);

/* A part of what is hashed. SB_PIECE_OVER readable bytes follow it, unless its length is a multiple of that. */
struct sb_piece {
	const void *p;
	size_t len;
};
#define SB_PIECE_OVER 16
#define SB_PIECES_MAX 3
#define SB_MAC_WORDS  2

/* What signs a stateless branch, with the fleet key: of numbers and up to three pieces, in order, lengths included.
 * SipHash-1-3: it is good for as long as one answer is under way, and every message in a dialog has one. */
uint64_t sb_branch_mac(
        const struct sb_keys *k, const uint64_t words[SB_MAC_WORDS], const struct sb_piece *pieces, unsigned n);

/* The like with the boot key, for what we make up in answers: To tags. */
uint64_t sb_tag_mac(
        const struct sb_keys *k, const uint64_t words[SB_MAC_WORDS], const struct sb_piece *pieces, unsigned n);

/* As it is written: 16 hex digits. */
void sb_tag_write(uint64_t tag, char out[16]);

/* Keyed hash of a number and pieces, for tables and choices that never leave this process. Not the same on every
 * processor. The key is one of sb_hash_key(): a hash that somebody is shown, be it in part, has a key of its own
 * purpose, since it may tell its key. */
uint64_t sb_hash(const uint8_t key[16], uint64_t number, const struct sb_piece *pieces, unsigned n);
void sb_hash_key(const struct sb_keys *k, uint32_t purpose, uint8_t key[16]);
