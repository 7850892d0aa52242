/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz.h - what the fuzz targets share. A target is one file with LLVMFuzzerTestOneInput: it is linked with libFuzzer,
 * with AFL++'s driver, or with replay.c, which the ordinary tests run over tests/fuzz/corpus (docs/testing.md).
 * Every input is a world of its own: the same bytes always do the same. */
#pragma once
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* A promise does not hold: says so and aborts, which every engine counts as a finding. */
_Noreturn void fuzz_broken(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define must(promise, ...)                                                                                             \
	do {                                                                                                           \
		if (!(promise))                                                                                        \
			fuzz_broken(__FILE__, __LINE__, __VA_ARGS__);                                                  \
	} while (0)

/* Takes an input apart from its beginning. What is not there is 0. */
struct fuzz_bytes {
	const uint8_t *p;
	size_t left;
};

static inline uint8_t fuzz_u8(struct fuzz_bytes *b)
{
	if (!b->left)
		return 0;
	b->left--;
	return *b->p++;
}

static inline uint16_t fuzz_u16(struct fuzz_bytes *b)
{
	uint8_t high = fuzz_u8(b);
	return (uint16_t)(high << 8 | fuzz_u8(b));
}

/* At most n bytes; *got: how many. */
static inline const uint8_t *fuzz_take(struct fuzz_bytes *b, size_t n, size_t *got)
{
	const uint8_t *p = b->p;
	*got = n < b->left ? n : b->left;
	b->p += *got;
	b->left -= *got;
	return p;
}

/* Choices for targets whose input is a text and nothing else: a hash of it. */
static inline uint32_t fuzz_hash(const uint8_t *data, size_t size)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < size; i++)
		h = (h ^ data[i]) * 16777619u;
	return h ^ h >> 15;
}
