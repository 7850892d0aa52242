/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/nomem.h"
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* libc's allocator under the names it has beside the usual ones; the sanitizers' likewise, if this is their build. */
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);
extern void *__interceptor_malloc(size_t) __attribute__((weak));
extern void *__interceptor_calloc(size_t, size_t) __attribute__((weak));
extern void *__interceptor_realloc(void *, size_t) __attribute__((weak));
extern void *__interceptor_memalign(size_t, size_t) __attribute__((weak));
extern void __interceptor_free(void *) __attribute__((weak));

const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:yaml_parser_load\n"; /* see NOMEM_LOST_BY_LIBYAML */
}

static struct {
	bool armed, failed;
	unsigned asked, first, last; /* those from first to last fail; 0: none */
	uint64_t blocks;
	bool recycling;
	void *kept; /* freed last, while recycling */
} state;
static _Thread_local bool exempt;

void nomem_arm(unsigned n, unsigned more)
{
	state.armed = true;
	state.failed = false;
	state.asked = 0;
	state.first = n;
	state.last = n ? (more < UINT32_MAX - n ? n + more : UINT32_MAX) : 0;
}

bool nomem_disarm(void)
{
	state.armed = false;
	return state.failed;
}

unsigned nomem_asked(void)
{
	return state.asked;
}

uint64_t nomem_blocks(void)
{
	return state.blocks;
}

static void release(void *p)
{
	if (__interceptor_free)
		__interceptor_free(p);
	else
		__libc_free(p);
}

static bool fails(void)
{
	if (!state.armed || exempt)
		return false;
	state.asked++;
	if (state.asked < state.first || state.asked > state.last)
		return false;
	state.failed = true;
	errno = ENOMEM;
	return true;
}

/* The block kept for it; NULL: none that is large enough. */
static void *recycled(size_t n)
{
	void *p = state.kept;
	if (!p || malloc_usable_size(p) < n)
		return NULL;
	state.kept = NULL;
	return p;
}

void nomem_recycle(bool on)
{
	void *kept = state.kept;
	state.recycling = on;
	state.kept = NULL;
	release(kept);
}

static void *counted(void *p)
{
	state.blocks += p != NULL;
	return p;
}

void *malloc(size_t n)
{
	if (fails())
		return NULL;
	return counted(__interceptor_malloc ? __interceptor_malloc(n) : __libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
	if (fails())
		return NULL;
	void *again = recycled(n * size);
	if (again)
		return counted(memset(again, 0, n * size));
	return counted(__interceptor_calloc ? __interceptor_calloc(n, size) : __libc_calloc(n, size));
}

void *realloc(void *old, size_t n)
{
	if (old && n == 0) { /* both allocators free it then */
		free(old);
		return NULL;
	}
	if (fails())
		return NULL;
	void *p = __interceptor_realloc ? __interceptor_realloc(old, n) : __libc_realloc(old, n);
	return old ? p : counted(p);
}

void *memalign(size_t align, size_t n)
{
	if (fails())
		return NULL;
	return counted(__interceptor_memalign ? __interceptor_memalign(align, n) : __libc_memalign(align, n));
}

void *aligned_alloc(size_t align, size_t n)
{
	return memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
	void *p = memalign(align, n);
	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}

void free(void *p)
{
	state.blocks -= p != NULL;
	if (state.recycling && p) {
		void *before = state.kept;
		state.kept = p;
		p = before;
	}
	release(p);
}

/* The sanitizers' own versions would go to their allocator past us. */
char *strndup(const char *text, size_t max)
{
	size_t n = strnlen(text, max);
	char *copy = malloc(n + 1);
	if (!copy)
		return NULL;
	memcpy(copy, text, n);
	copy[n] = 0;
	return copy;
}

char *strdup(const char *text)
{
	return strndup(text, strlen(text));
}

/* So the address sanitizer looks for the stack of a thread that begins, and cannot do without it. */
int pthread_getattr_np(pthread_t thread, pthread_attr_t *attr)
{
	int (*real)(pthread_t, pthread_attr_t *);
	exempt = true;
	*(void **)&real = dlsym(RTLD_NEXT, "pthread_getattr_np");
	int err = real(thread, attr);
	exempt = false;
	return err;
}
