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
	uint32_t seen, again;        /* bit f: there is a line, or more than one, of field f */
	uint8_t first[SB_FIELDS];    /* line number of the first; the start line is line 0 */
	_Alignas(64) uint8_t of[64]; /* field of each header line */
};

/* Where a line, its value and the next line begin; end: without CRLF. */
struct place {
	uint32_t off, value, end, next;
};

static inline __attribute__((always_inline)) struct place place_of(
        const struct plain *p, uint32_t line, uint32_t name_len)
{
	uint32_t off = p->lines->end[line - 1] + 1u, next = p->lines->end[line] + 1u;
	const char *text = p->r->sip->text;
	uint32_t value = off + (text[off + 1] == ':' ? 2 : name_len + 1);
	return (struct place){off, value + (text[value] == ' '), next - 2, next};
}

static inline bool has(const struct plain *p, enum sb_field field)
{
	return p->seen >> field & 1;
}

/* The second line of a field that has one. */
static inline uint32_t second_of(const struct plain *p, enum sb_field field)
{
	uint32_t i = p->first[field] + 1u;
	while (p->of[i] != field)
		i++;
	return i;
}

/* The lines of a field as bits. To be asked late: the lines' fields were written one by one. */
static inline uint64_t lines_of(const struct plain *p, enum sb_field field)
{
	return lex_eq64((const char *)p->of, (char)field) & ((2ull << (p->lines->n - 1)) - 2);
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

/* False: a line of no field of ours is folded, or has no colon, or blanks before it, or a name of 32 bytes or more. */
static inline bool others_are_named(const struct plain *p)
{
	const char *text = p->r->sip->text;
	uint32_t bad = 0;
	for (uint64_t lines = lines_of(p, SB_F_OTHER); lines; lines &= lines - 1) {
		uint32_t colons, blanks;
		colons_and_blanks(text + p->lines->end[quick_first(lines) - 1] + 1, &colons, &blanks);
		uint32_t before = (colons - 1) & ~colons; /* the first of them */
		bad |= (before & (blanks | 1u << 31)) | (colons & 1);
	}
	return bad == 0;
}

/* From the last to the first, so that the first is what stays noted. */
static inline void name_lines(struct plain *p)
{
	const char *text = p->r->sip->text;
	uint32_t seen = 0, again = 0;
	for (uint32_t i = p->lines->n - 1; i > 0; i--) {
		uint32_t field = name_field(text + p->lines->end[i - 1] + 1), bit = 1u << field;
		p->of[i] = (uint8_t)field;
		p->first[field] = (uint8_t)i;
		again |= seen & bit;
		seen |= bit;
	}
	p->seen = seen;
	p->again = again;
}

/* The full grammar's word on a line. False: a fault. */
static __attribute__((noinline, cold)) bool in_full(const struct plain *p, uint32_t i)
{
	struct sb_line line = {.off = p->lines->end[i - 1] + 1u, .end = p->lines->end[i] - 1u};
	line.next = line.end + 2;
	sb_line_name(p->r->sip->text, &line);
	sb_read_field(p->r, &line);
	return p->r->sip->error == 0;
}

static __attribute__((noinline, cold)) bool all_in_full(const struct plain *p, enum sb_field field)
{
	bool good = true;
	for (uint32_t i = p->first[field]; i < p->lines->n && good; i++)
		if (p->of[i] == field)
			good = in_full(p, i);
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
	struct place at = place_of(p, p->first[SB_F_VIA], 3);
	sip->via_line = (uint16_t)at.off;
	sip->via_line_next = (uint16_t)at.next;
	uint32_t next = 0, next_end = 0;
	if (p->again >> SB_F_VIA & 1) {
		struct place second = place_of(p, second_of(p, SB_F_VIA), 3);
		next = lex_blanks(sip->text, second.value, second.end);
		next_end = second.end;
	}
	if (quick_via(sip->text, at.value, at.end, &sip->via)) {
		sip->via.next = (uint16_t)next;
		sip->via_next_end = (uint16_t)next_end;
		return true;
	}
	p->r->via_value = at.value;
	p->r->via_end = at.end;
	p->r->via2_value = next;
	p->r->via2_end = next_end;
	sip->n_via_lines = 1;
	sb_read_via(p->r);
	return sip->error == 0;
}

static inline __attribute__((always_inline)) bool plain_party(const struct plain *p, enum sb_field field,
        uint32_t name_len, struct sb_span *whole, struct sb_span *value, struct sb_span *tag)
{
	const char *text = p->r->sip->text;
	struct place at = place_of(p, p->first[field], name_len);
	if (lex_is(text[at.value], LEX_LWS) || !quick_party(text, at.value, at.end, tag)) {
		*tag = (struct sb_span){0, 0};
		return in_full(p, p->first[field]);
	}
	*whole = lex_span(at.off, at.end);
	*value = lex_span(at.value, at.end);
	return true;
}

static inline bool plain_call_id(const struct plain *p)
{
	struct sb_sip *sip = p->r->sip;
	struct place at = place_of(p, p->first[SB_F_CALL_ID], 7);
	const char *v = sip->text + at.value;
	uint32_t n = at.end - at.value;
	uint64_t stop = lex_none_of64(v, LEX_VIS);
	if (!stop || (stop & 1) || quick_first(stop) != n || v[0] == '@' || v[n - 1] == '@')
		return in_full(p, p->first[SB_F_CALL_ID]);
	sip->call_id_line = lex_span(at.off, at.end);
	sip->call_id = lex_span(at.value, at.end);
	return true;
}

static inline bool plain_cseq(const struct plain *p)
{
	struct sb_sip *sip = p->r->sip;
	const char *text = sip->text;
	struct place at = place_of(p, p->first[SB_F_CSEQ], 4);
	uint64_t blanks = lex_eq64(text + at.value, ' ');
	uint32_t digits = blanks ? quick_first(blanks) : 64, method = at.value + digits + 1, n = at.end - method;
	enum sb_method known = n - 1 < 8 ? quick_method(text + method, n) : SB_M_OTHER;
	if (!quick_number(text, at.value + digits, digits, &sip->cseq) || !known ||
	        (!sip->is_response && known != sip->method)) {
		bool good = in_full(p, p->first[SB_F_CSEQ]);
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
	uint32_t number;
	if (!has(p, SB_F_MAX_FORWARDS) || sip->is_response)
		return true;
	struct place at = place_of(p, p->first[SB_F_MAX_FORWARDS], 12);
	if ((p->again >> SB_F_MAX_FORWARDS & 1) || !quick_number(sip->text, at.end, at.end - at.value, &number) ||
	        number > 255)
		return all_in_full(p, SB_F_MAX_FORWARDS);
	sip->max_forwards = lex_span(at.value, at.end);
	sip->max_forwards_value = (uint16_t)number;
	return true;
}

static inline bool plain_length(const struct plain *p)
{
	struct sb_reader *r = p->r;
	if (has(p, SB_F_CONTENT_LENGTH)) {
		struct place at = place_of(p, p->first[SB_F_CONTENT_LENGTH], 14);
		r->have_content_length = quick_number(r->sip->text, at.end, at.end - at.value, &r->content_length);
		if (!r->have_content_length && !in_full(p, p->first[SB_F_CONTENT_LENGTH]))
			return false;
	}
	sb_read_length(r);
	return r->sip->error == 0;
}

static inline bool plain_contact(const struct plain *p)
{
	if (!has(p, SB_F_CONTACT))
		return true;
	struct place at = place_of(p, p->first[SB_F_CONTACT], 7);
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
	return all_in_full(p, SB_F_CONTACT);
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
	if (!has(p, SB_F_ROUTE))
		return true;
	struct place at = place_of(p, p->first[SB_F_ROUTE], 5);
	if (sip->is_response) {
		sip->route_line = (uint16_t)at.off;
		return true;
	}
	uint32_t second = p->again >> SB_F_ROUTE & 1 ? place_of(p, second_of(p, SB_F_ROUTE), 5).off : 0;
	if (quick_route(sip->text, at, &sip->route)) {
		sip->route_line = (uint16_t)at.off;
		sip->routes = (struct sb_route_walk){.line = (uint16_t)second, .n = 1};
		return true;
	}
	memset(&sip->route, 0, sizeof sip->route);
	in_full(p, p->first[SB_F_ROUTE]);
	p->r->route2 = second;
	sb_read_top_route(p->r);
	return sip->error == 0;
}

#define BIT(field) (1u << (field))

static inline bool plain_rest(const struct plain *p)
{
	struct sb_sip *sip = p->r->sip;
	const uint32_t rare = BIT(SB_F_PROXY_REQUIRE) | BIT(SB_F_TIMESTAMP) | BIT(SB_F_RETRY_AFTER);
	if (has(p, SB_F_RECORD_ROUTE))
		sip->record_route_line = (uint16_t)place_of(p, p->first[SB_F_RECORD_ROUTE], 12).off;
	for (uint32_t fields = p->seen & rare; fields; fields &= fields - 1)
		if (!all_in_full(p, (enum sb_field)quick_first(fields)))
			return false;
	sip->n_via_lines = (uint16_t)__builtin_popcountll(lines_of(p, SB_F_VIA));
	return true;
}

/* Names all lines. False: they are not plain. */
static inline __attribute__((always_inline)) bool plain_lines(struct plain *p)
{
	const uint32_t once = BIT(SB_F_FROM) | BIT(SB_F_TO) | BIT(SB_F_CALL_ID) | BIT(SB_F_CSEQ);
	const struct sb_lines *lines = p->lines;
	struct sb_sip *sip = p->r->sip;
	if (lines->n > PLAIN_LINES_MAX || lines->body == 0 || lines->bare_lf || lines->bare_cr)
		return false;
	name_lines(p);
	if ((p->seen & (once | BIT(SB_F_VIA))) != (once | BIT(SB_F_VIA)) ||
	        (p->again & (once | BIT(SB_F_CONTENT_LENGTH))))
		return false;
	sip->first_header = (uint16_t)(lines->end[0] + 1);
	sip->header_end = (uint16_t)(lines->end[lines->n - 1] + 1);
	sip->body = (uint16_t)lines->body;
	sip->answerable = true;
	return true;
}

bool sb_read_plain(struct sb_reader *r, const struct sb_lines *lines, enum sb_read *read)
{
	struct plain p;
	struct sb_sip *sip = r->sip;
	p.r = r;
	p.lines = lines;
	if (!plain_lines(&p))
		return false;
	*read = plain_start(r, lines->end[0] - 1u);
	return *read <= SB_READ_RESPONSE && sip->error == 0 && plain_via(&p) &&
	       plain_party(&p, SB_F_FROM, 4, &sip->from_line, &sip->from, &sip->from_tag) &&
	       plain_party(&p, SB_F_TO, 2, &sip->to_line, &sip->to, &sip->to_tag) && plain_call_id(&p) &&
	       plain_cseq(&p) && plain_max_forwards(&p) && plain_contact(&p) && plain_route(&p) && plain_rest(&p) &&
	       plain_length(&p) && others_are_named(&p);
}

#undef BIT

#endif
