/* SPDX-License-Identifier: BSD-3-Clause */
/* plain.c - plain messages: no line is folded, no name has blanks behind it, what may stand once does, and nothing is
 * at fault. All lines are named first; then each field is read in its turn, in whatever order they stand, so that
 * hardly a branch depends on which line is which. A value of no quick shape is read by the full grammar. All else is
 * left to the reading line by line, which also knows which fault comes first. */
#ifdef __AVX2__
#include "dataplane/sip/lex.h"
#include "dataplane/sip/names.h"
#include "dataplane/sip/parse.h"
#include "dataplane/sip/quick.h"
#include "dataplane/sip/reader.h"
#include "dataplane/sip/scan.h"

#define PLAIN_LINES_MAX 64

struct plain {
	struct sb_reader *r;
	const struct sb_lines *lines;
	uint64_t of[SB_FIELDS]; /* bit i: line i is of this field; the start line is line 0 */
};

/* Where a line, its value and the next line begin; end: without CRLF. */
struct place {
	uint32_t off, value, end, next;
};

static inline __attribute__((always_inline)) struct place place_of(
        const struct plain *p, uint64_t lines, uint32_t name_len)
{
	uint32_t i = quick_first(lines), off = p->lines->end[i - 1] + 1u, next = p->lines->end[i] + 1u;
	const char *text = p->r->sip->text;
	uint32_t value = off + (text[off + 1] == ':' ? 2 : name_len + 1);
	return (struct place){off, value + (text[value] == ' '), next - 2, next};
}

/* Which of the 32 bytes at s are colons, and which are blanks or controls. */
static inline void colons_and_blanks(const char *s, uint32_t *colons, uint32_t *blanks)
{
	__m256i v = _mm256_loadu_si256((const __m256i_u *)s), space = _mm256_set1_epi8(' ');
#ifdef __AVX512VL__
	*colons = _mm256_cmpeq_epi8_mask(v, _mm256_set1_epi8(':'));
	*blanks = _mm256_cmple_epu8_mask(v, space);
#else
	*colons = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, _mm256_set1_epi8(':')));
	*blanks = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(v, space), v));
#endif
}

/* False: there is a line that is folded, without a colon or with blanks before it, or a name of 32 bytes or more. */
static inline bool name_lines(struct plain *p)
{
	const char *text = p->r->sip->text;
	uint32_t bad = 0;
	memset(p->of, 0, sizeof p->of);
	for (uint32_t i = 1; i < p->lines->n; i++) {
		const char *s = text + p->lines->end[i - 1] + 1;
		uint32_t colons, blanks;
		colons_and_blanks(s, &colons, &blanks);
		uint32_t before = (colons - 1) & ~colons; /* the first of them */
		uint32_t n = (uint32_t)__builtin_popcount(before) & 31;
		bad |= (before & (blanks | 1u << 31)) | (colons & 1);
		p->of[name_field(s, n, name_row(s[0], s[1], n))] |= 1ull << i;
	}
	return bad == 0 && p->of[SB_F_BAD] == 0;
}

/* The full grammar's word on the first of the lines. False: a fault. */
static __attribute__((noinline, cold)) bool in_full(const struct plain *p, uint64_t lines)
{
	uint32_t i = quick_first(lines);
	struct sb_line line = {.off = p->lines->end[i - 1] + 1u, .end = p->lines->end[i] - 1u};
	line.next = line.end + 2;
	sb_line_name(p->r->sip->text, &line);
	sb_read_field(p->r, &line);
	return p->r->sip->error == 0;
}

/* So many lines of fields that a proxy hardly looks at. */
static __attribute__((noinline, cold)) bool all_in_full(const struct plain *p, uint64_t lines)
{
	bool good = true;
	for (; lines && good; lines &= lines - 1)
		good = in_full(p, lines);
	return good;
}

/* The first eight bytes of a word of n bytes, 0 < n <= 8, those behind it 0. */
static inline uint64_t word(const char *s, uint32_t n)
{
	uint64_t v;
	memcpy(&v, s, 8);
	return v & ~0ull >> (64 - 8 * n);
}

/* A known method of at most eight letters; SB_M_OTHER: it is for sb_method_of to say. */
static inline enum sb_method quick_method(const char *s, uint32_t n)
{
	const struct method_row *row = method_row(s[0], n);
	uint64_t name;
	memcpy(&name, row->name, 8);
	return n - 1 < 8 && row->len == n && word(s, n) == name ? (enum sb_method)row->method : SB_M_OTHER;
}

static inline bool plain_status_line(struct sb_sip *sip, uint32_t end)
{
	const char *text = sip->text;
	uint32_t behind = sip->start + 11u, status;
	if (!quick_number(text, behind, 3, &status) || status - 100 >= 600 || (behind != end && text[behind] != ' '))
		return false;
	sip->is_response = 1;
	sip->status = (uint16_t)status;
	return true;
}

static inline bool plain_request_line(struct sb_sip *sip, uint32_t end)
{
	const char *text = sip->text;
	uint32_t start = sip->start, uri_end;
	uint64_t stop = lex_none_of64(text + start, LEX_TOKEN);
	if (end - start < 16 || !quick_is8(text + end - 8, " SIP/2.0") || !stop)
		return false;
	uint32_t n = quick_first(stop), uri = start + n + 1;
	enum sb_method method = quick_method(text + start, n);
	if (text[start + n] != ' ' || !method || !quick_uri(text, uri, &uri_end, &sip->uri) || uri_end != end - 8)
		return false;
	sip->method = (uint8_t)method;
	sip->method_text = lex_span(start, start + n);
	sip->uri_text = lex_span(uri, uri_end);
	return true;
}

static inline enum sb_read plain_start(struct sb_reader *r, uint32_t end)
{
	struct sb_sip *sip = r->sip;
	bool response = quick_is8(sip->text + sip->start, "SIP/2.0 ");
	if (response && plain_status_line(sip, end))
		return SB_READ_RESPONSE;
	if (!response && plain_request_line(sip, end))
		return SB_READ_REQUEST;
	memset(&sip->uri, 0, sizeof sip->uri);
	return sb_read_start_line(r, end);
}

static inline bool plain_via(struct plain *p)
{
	struct sb_sip *sip = p->r->sip;
	uint64_t lines = p->of[SB_F_VIA], further = lines & (lines - 1);
	struct place at = place_of(p, lines, 3);
	sip->n_via_lines = (uint16_t)__builtin_popcountll(lines);
	sip->via_line = (uint16_t)at.off;
	sip->via_line_next = (uint16_t)at.next;
	p->r->via_value = at.value;
	p->r->via_end = at.end;
	if (further) {
		struct place second = place_of(p, further, 3);
		p->r->via2_value = lex_blanks(sip->text, second.value, second.end);
	}
	sb_read_via(p->r);
	return sip->error == 0;
}

static inline __attribute__((always_inline)) bool plain_party(const struct plain *p, enum sb_field field,
        uint32_t name_len, struct sb_span *whole, struct sb_span *value, struct sb_span *tag)
{
	const char *text = p->r->sip->text;
	struct place at = place_of(p, p->of[field], name_len);
	if (lex_is(text[at.value], LEX_LWS) || !quick_party(text, at.value, at.end, tag)) {
		*tag = (struct sb_span){0, 0};
		return in_full(p, p->of[field]);
	}
	*whole = lex_span(at.off, at.end);
	*value = lex_span(at.value, at.end);
	return true;
}

static inline bool plain_call_id(const struct plain *p)
{
	struct sb_sip *sip = p->r->sip;
	struct place at = place_of(p, p->of[SB_F_CALL_ID], 7);
	const char *v = sip->text + at.value;
	uint32_t n = at.end - at.value;
	uint64_t stop = lex_none_of64(v, LEX_VIS);
	if (!stop || (stop & 1) || quick_first(stop) != n || v[0] == '@' || v[n - 1] == '@')
		return in_full(p, p->of[SB_F_CALL_ID]);
	sip->call_id_line = lex_span(at.off, at.end);
	sip->call_id = lex_span(at.value, at.end);
	return true;
}

static inline bool plain_cseq(const struct plain *p)
{
	struct sb_sip *sip = p->r->sip;
	const char *text = sip->text;
	struct place at = place_of(p, p->of[SB_F_CSEQ], 4);
	uint64_t blanks = lex_eq64(text + at.value, ' ');
	uint32_t digits = blanks ? quick_first(blanks) : 64, method = at.value + digits + 1, n = at.end - method;
	enum sb_method known = n - 1 < 8 ? quick_method(text + method, n) : SB_M_OTHER;
	if (!quick_number(text, at.value + digits, digits, &sip->cseq) || !known ||
	        (!sip->is_response && known != sip->method)) {
		bool good = in_full(p, p->of[SB_F_CSEQ]);
		sb_read_cseq_method(p->r);
		return good && sip->error == 0;
	}
	sip->cseq_line = lex_span(at.off, at.end);
	if (sip->is_response) {
		sip->method = (uint8_t)known;
		sip->method_text = lex_span(method, at.end);
	}
	return true;
}

/* Max-Forwards of a request, if it has any. */
static inline bool plain_max_forwards(const struct plain *p)
{
	struct sb_sip *sip = p->r->sip;
	uint64_t lines = p->of[SB_F_MAX_FORWARDS];
	uint32_t number;
	if (!lines || sip->is_response)
		return true;
	struct place at = place_of(p, lines, 12);
	if ((lines & (lines - 1)) || !quick_number(sip->text, at.end, at.end - at.value, &number) || number > 255)
		return all_in_full(p, lines);
	sip->max_forwards = lex_span(at.value, at.end);
	sip->max_forwards_value = (uint16_t)number;
	return true;
}

static inline bool plain_length(const struct plain *p)
{
	struct sb_reader *r = p->r;
	uint64_t lines = p->of[SB_F_CONTENT_LENGTH];
	if (lines) {
		struct place at = place_of(p, lines, 14);
		r->have_content_length = quick_number(r->sip->text, at.end, at.end - at.value, &r->content_length);
		if ((lines & (lines - 1)) || !r->have_content_length) {
			r->have_content_length = false;
			if (!all_in_full(p, lines))
				return false;
		}
	}
	sb_read_length(r);
	return r->sip->error == 0;
}

static inline bool plain_contact(const struct plain *p)
{
	uint64_t lines = p->of[SB_F_CONTACT];
	if (!lines)
		return true;
	struct place at = place_of(p, lines, 7);
	const char *v = p->r->sip->text + at.value;
	if (v[0] == '<') {
		struct lex_block b = lex_load64(v + 1);
		uint64_t close = lex_block_eq(b, '>');
		uint64_t stop = close | lex_block_none(b, LEX_VIS) | lex_block_eq(b, '<');
		uint64_t inside = (stop - 1) & ~stop;
		if ((close & stop & -stop) && (lex_block_eq(b, ':') & inside)) {
			p->r->sip->contact = lex_span(at.value + 1, at.value + 1 + quick_first(stop));
			return true;
		}
	}
	return all_in_full(p, lines);
}

/* A Route value that is alone in its line, without parameters of its own. */
static inline bool quick_route(const char *text, struct place at, struct sb_route *route)
{
	uint32_t uri_end;
	if (text[at.value] != '<' || !quick_uri(text, at.value + 1, &uri_end, &route->parsed) || text[uri_end] != '>' ||
	        uri_end + 1 != at.end)
		return false;
	route->value = lex_span(at.value, at.end);
	route->uri = lex_span(at.value + 1, uri_end);
	route->line = (uint16_t)at.off;
	route->line_end = (uint16_t)at.next;
	route->first = route->last = true;
	return true;
}

static inline bool plain_route(const struct plain *p)
{
	struct sb_sip *sip = p->r->sip;
	uint64_t lines = p->of[SB_F_ROUTE], further = lines & (lines - 1);
	if (!lines)
		return true;
	struct place at = place_of(p, lines, 5);
	if (sip->is_response) {
		sip->route_line = (uint16_t)at.off;
		return true;
	}
	uint32_t second = further ? place_of(p, further, 5).off : 0;
	if (quick_route(sip->text, at, &sip->route)) {
		sip->route_line = (uint16_t)at.off;
		sip->routes = (struct sb_route_walk){.line = (uint16_t)second, .n = 1};
		return true;
	}
	memset(&sip->route, 0, sizeof sip->route);
	in_full(p, lines);
	p->r->route2 = second;
	sb_read_top_route(p->r);
	return sip->error == 0;
}

/* Those that hardly a message has. */
static inline bool plain_rest(const struct plain *p)
{
	struct sb_sip *sip = p->r->sip;
	uint64_t record_route = p->of[SB_F_RECORD_ROUTE];
	if (record_route)
		sip->record_route_line = (uint16_t)place_of(p, record_route, 12).off;
	uint64_t rare = p->of[SB_F_PROXY_REQUIRE] | p->of[SB_F_TIMESTAMP] | p->of[SB_F_RETRY_AFTER];
	return !rare || all_in_full(p, rare);
}

static inline bool once(uint64_t lines)
{
	return __builtin_popcountll(lines) == 1;
}

bool sb_read_plain(struct sb_reader *r, const struct sb_lines *lines, enum sb_read *read)
{
	struct plain p = {.r = r, .lines = lines};
	struct sb_sip *sip = r->sip;
	if (lines->n > PLAIN_LINES_MAX || lines->body == 0 || lines->bare_lf || lines->bare_cr || !name_lines(&p))
		return false;
	if (!p.of[SB_F_VIA] || !once(p.of[SB_F_FROM]) || !once(p.of[SB_F_TO]) || !once(p.of[SB_F_CALL_ID]) ||
	        !once(p.of[SB_F_CSEQ]))
		return false;
	sip->first_header = (uint16_t)(lines->end[0] + 1);
	sip->header_end = (uint16_t)(lines->end[lines->n - 1] + 1);
	sip->body = (uint16_t)lines->body;
	sip->answerable = true;
	*read = plain_start(r, lines->end[0] - 1u);
	return *read <= SB_READ_RESPONSE && sip->error == 0 && plain_via(&p) &&
	       plain_party(&p, SB_F_FROM, 4, &sip->from_line, &sip->from, &sip->from_tag) &&
	       plain_party(&p, SB_F_TO, 2, &sip->to_line, &sip->to, &sip->to_tag) && plain_call_id(&p) &&
	       plain_cseq(&p) && plain_max_forwards(&p) && plain_contact(&p) && plain_route(&p) && plain_rest(&p) &&
	       plain_length(&p);
}

#endif
