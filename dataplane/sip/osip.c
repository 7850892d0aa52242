/* SPDX-License-Identifier: BSD-3-Clause */
/* osip.c - libosip2 as judge. It is shown each part that a proxy needs, by itself: Request-URI, top Via, From, To,
 * Call-ID, CSeq and top Route, with folding undone. The whole message is not shown to it: it would reject a malformed
 * field that is none of a proxy's business (16.3), and it cannot read a NUL, which may stand in a quoted string (25.1).
 * A part passes if libosip2 accepts it and reads the same out of it as the vector pass did. */
#include "dataplane/sip/osip.h"
#include "dataplane/sip/lex.h"
#include <osipparser2/osip_parser.h>
#include <assert.h>
#include <stdlib.h>

#define ARENA_ALIGN 16

/* A bump allocator: nothing is freed until the next message. */
struct arena {
	char *mem;
	size_t used;
	bool exhausted;
	struct sb_osip_usage usage;
};

static _Thread_local struct arena arena;

static void *arena_alloc(size_t size)
{
	size_t need = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN + ARENA_ALIGN;
	if (need < size || need > arena.usage.size - arena.used) {
		arena.exhausted = true;
		return NULL;
	}
	char *p = arena.mem + arena.used;
	arena.used += need;
	memcpy(p, &size, sizeof size); /* realloc wants to know */
	return p + ARENA_ALIGN;
}

static void *arena_realloc(void *old, size_t size)
{
	size_t old_size = 0;
	if (!old)
		return arena_alloc(size);
	memcpy(&old_size, (char *)old - ARENA_ALIGN, sizeof old_size);
	void *p = size <= old_size ? old : arena_alloc(size);
	if (p && p != old)
		memcpy(p, old, old_size);
	return p;
}

static void arena_free(void *p)
{
}

void sb_osip_init(void)
{
	osip_set_allocators(arena_alloc, arena_realloc, arena_free);
	parser_init();
}

void sb_osip_arena(void *mem, size_t size)
{
	size_t skip = (ARENA_ALIGN - (uintptr_t)mem % ARENA_ALIGN) % ARENA_ALIGN;
	arena = (struct arena){0};
	if (!mem || size < skip)
		return;
	arena.mem = (char *)mem + skip;
	arena.usage.size = size - skip;
}

struct sb_osip_usage *sb_osip_usage(void)
{
	return &arena.usage;
}

/* A part as libosip2 wants it: NUL-terminated, on one line. A NUL can stand only behind a backslash in a quoted string:
 * any other byte there means the same to a proxy. NULL: the arena is used up, or the NUL stands elsewhere. */
static char *part(const struct sb_sip *sip, struct sb_span s)
{
	char *p = arena_alloc((size_t)s.len + 1);
	if (!p)
		return NULL;
	for (uint32_t i = 0; i < s.len; i++) {
		char c = sip->text[s.off + i];
		if (c == '\r' || c == '\n' || c == '\t')
			c = ' ';
		else if (c == 0 && (i == 0 || p[i - 1] != '\\'))
			return NULL;
		p[i] = c ? c : '0';
	}
	p[s.len] = 0;
	return p;
}

/* Did libosip2 read what we read? Nothing on both sides is the same, too. */
static bool same(const struct sb_sip *sip, struct sb_span ours, const char *theirs)
{
	if (!theirs)
		return ours.len == 0;
	return strlen(theirs) == ours.len && memcmp(sb_at(sip, ours), theirs, ours.len) == 0;
}

static bool same_port(uint16_t ours, const char *theirs)
{
	return theirs ? (unsigned long)ours == strtoul(theirs, NULL, 10) : ours == 0;
}

static const char *param_value(osip_list_t *params, const char *name)
{
	osip_generic_param_t *prm = NULL;
	if (osip_uri_param_get_byname(params, (char *)(uintptr_t)name, &prm) || !prm)
		return NULL;
	return prm->gvalue;
}

static bool uri_passes(const struct sb_sip *sip)
{
	osip_uri_t *uri = NULL;
	const char *text = part(sip, sip->uri_text);
	if (!text || osip_uri_init(&uri) || osip_uri_parse(uri, text))
		return false;
	return sip->uri.scheme == SB_SCHEME_TEL ||
	       (same(sip, sip->uri.host, uri->host) && same_port(sip->uri.port, uri->port));
}

static bool via_passes(const struct sb_sip *sip)
{
	osip_via_t *via = NULL;
	const char *text = part(sip, sip->via.value);
	if (!text || osip_via_init(&via) || osip_via_parse(via, text))
		return false;
	return same(sip, sip->via.host, via->host) && same_port(sip->via.port, via->port) &&
	       same(sip, sip->via.branch, param_value(&via->via_params, "branch"));
}

static bool party_passes(const struct sb_sip *sip, struct sb_span value, struct sb_span tag)
{
	osip_from_t *from = NULL;
	const char *text = part(sip, value);
	return text && !osip_from_init(&from) && !osip_from_parse(from, text) &&
	       same(sip, tag, param_value(&from->gen_params, "tag"));
}

static bool call_id_passes(const struct sb_sip *sip)
{
	osip_call_id_t *id = NULL;
	const char *text = part(sip, sip->call_id);
	return text && !osip_call_id_init(&id) && !osip_call_id_parse(id, text);
}

static bool cseq_passes(const struct sb_sip *sip)
{
	osip_cseq_t *cseq = NULL;
	uint32_t end = (uint32_t)sip->cseq_line.off + sip->cseq_line.len;
	const char *colon = memchr(sb_at(sip, sip->cseq_line), ':', sip->cseq_line.len);
	assert(colon); /* or it would not be that line */
	uint32_t at = lex_blanks(sip->text, (uint32_t)(colon - sip->text) + 1, end);
	const char *text = part(sip, lex_span(at, lex_trim(sip->text, at, end)));
	return text && !osip_cseq_init(&cseq) && !osip_cseq_parse(cseq, text) && cseq->number &&
	       strtoul(cseq->number, NULL, 10) == sip->cseq && same(sip, sip->method_text, cseq->method);
}

static bool route_passes(const struct sb_sip *sip)
{
	struct sb_route_walk walk = {.line = sip->route_line};
	struct sb_route route;
	bool bad;
	osip_route_t *r = NULL;
	if (sip->is_response || sip->route_line == 0)
		return true;
	const char *text = sb_sip_route_next(sip, &walk, &route, &bad) ? part(sip, route.value) : NULL;
	return text && !osip_route_init(&r) && !osip_route_parse(r, text) && r->url &&
	       same(sip, route.parsed.host, r->url->host) && same_port(route.parsed.port, r->url->port);
}

bool sb_osip_no_room(void)
{
	return arena.exhausted;
}

bool sb_osip_accepts(const struct sb_sip *sip)
{
	arena.used = 0;
	arena.exhausted = false;
	bool good = (sip->is_response || uri_passes(sip)) && via_passes(sip) &&
	            party_passes(sip, sip->from, sip->from_tag) && party_passes(sip, sip->to, sip->to_tag) &&
	            call_id_passes(sip) && cseq_passes(sip) && route_passes(sip);
	struct sb_osip_usage *u = &arena.usage;
	if (arena.used > u->peak)
		__atomic_store_n(&u->peak, arena.used, __ATOMIC_RELAXED);
	if (arena.exhausted)
		__atomic_store_n(&u->exhausted, u->exhausted + 1, __ATOMIC_RELAXED);
	return good && !arena.exhausted;
}
