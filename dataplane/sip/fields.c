/* SPDX-License-Identifier: BSD-3-Clause */
/* fields.c - what each header line says to a proxy, and the last look over all of them (RFC 3261 16.3, 8.1.1, 20). */
#include "dataplane/sip/lex.h"
#include "dataplane/sip/parse.h"
#ifdef __AVX2__
#include "dataplane/sip/quick.h"
#endif
#include "dataplane/sip/reader.h"

/* The value without outer blanks. */
static struct sb_span value_of(const char *text, const struct sb_line *line)
{
	uint32_t at = lex_blanks(text, line->value, line->end);
	return lex_span(at, lex_trim(text, at, line->end));
}

static void on_via(struct sb_reader *r, const struct sb_line *line)
{
	struct sb_sip *sip = r->sip;
	if (sip->n_via_lines++ == 0) {
		sip->via_line = (uint16_t)line->off;
		sip->via_line_next = (uint16_t)line->next;
		r->via_value = line->value;
		r->via_end = line->end;
		sip->odd |= line->odd;
	} else if (r->via2_value == 0) {
		r->via2_value = lex_blanks(sip->text, line->value, line->end);
		r->via2_end = line->end;
	}
}

/* From or To: URI and tag. */
static void party(struct sb_reader *r, const struct sb_line *line, struct sb_span *whole, struct sb_span *value,
        struct sb_span *tag, const char *malformed)
{
	struct sb_sip *sip = r->sip;
	const char *text = sip->text;
	struct sb_name_addr addr;
	struct sb_param prm;
	sip->odd |= line->odd;
	if (whole->len) {
		sb_reader_fail(r, 400, malformed);
		return;
	}
	*whole = lex_span(line->off, line->end);
	*value = value_of(text, line);
#ifdef __AVX2__
	if (value->len && !line->odd && quick_party(text, value->off, (uint32_t)value->off + value->len, tag))
		return;
	*tag = (struct sb_span){0, 0};
#endif
	uint32_t end = (uint32_t)value->off + value->len;
	if (sb_name_addr_read(text, value->off, end, &addr, &sip->odd)) {
		sb_reader_fail(r, 400, malformed);
		return;
	}
	/* Any URI may stand there (unksm2 of RFC 4475); one that is not plainly good is for libosip2 to judge. */
	struct sb_uri uri;
	sip->odd |= sb_uri_read(text, addr.uri, &uri, &sip->odd) || uri.scheme == SB_SCHEME_OTHER;
	uint32_t p = addr.end;
	int more;
	while ((more = sb_param_next(text, &p, end, &prm, &sip->odd)) > 0) {
		if (!lex_span_is(text, prm.name, "tag"))
			continue;
		if (tag->len || prm.value.len == 0)
			sb_reader_fail(r, 400, malformed);
		*tag = prm.value;
	}
	if (more < 0 || p != end)
		sb_reader_fail(r, 400, malformed);
}

static void on_from(struct sb_reader *r, const struct sb_line *line)
{
	party(r, line, &r->sip->from_line, &r->sip->from, &r->sip->from_tag, "Malformed From Header Field");
}

static void on_to(struct sb_reader *r, const struct sb_line *line)
{
	party(r, line, &r->sip->to_line, &r->sip->to, &r->sip->to_tag, "Malformed To Header Field");
}

static void on_call_id(struct sb_reader *r, const struct sb_line *line)
{
	struct sb_sip *sip = r->sip;
	struct sb_span v = value_of(sip->text, line);
	sip->odd |= line->odd;
	if (sip->call_id_line.len || v.len == 0 ||
	        lex_run(sip->text, v.off, (uint32_t)v.off + v.len, LEX_VIS) != (uint32_t)v.off + v.len)
		sb_reader_fail(r, 400, "Malformed Call-ID Header Field");
	if (sip->call_id_line.len)
		return;
	sip->call_id_line = lex_span(line->off, line->end);
	sip->call_id = v;
	sip->odd |= v.len && (sip->text[v.off] == '@' || sip->text[v.off + v.len - 1] == '@');
}

static void on_cseq(struct sb_reader *r, const struct sb_line *line)
{
	struct sb_sip *sip = r->sip;
	const char *text = sip->text;
	struct sb_span v = value_of(text, line);
	uint32_t end = (uint32_t)v.off + v.len, digits = lex_run(text, v.off, end, LEX_DIGIT);
	uint32_t method = lex_blanks(text, digits, end);
	uint32_t number = lex_number(text, lex_span(v.off, digits), 1u << 31);
	sip->odd |= line->odd;
	if (sip->cseq_line.len || digits == v.off || method == digits || method == end || number == 1u << 31 ||
	        lex_run(text, method, end, LEX_TOKEN) != end)
		sb_reader_fail(r, 400, "Malformed CSeq Header Field");
	if (sip->cseq_line.len)
		return;
	sip->cseq_line = lex_span(line->off, line->end);
	sip->cseq = number;
	r->cseq_method = lex_span(method, end);
}

/* A value of digits alone; false: it is something else. */
static bool digits_of(const char *text, const struct sb_line *line, struct sb_span *v)
{
	*v = value_of(text, line);
	return v->len && lex_run(text, v->off, (uint32_t)v->off + v->len, LEX_DIGIT) == (uint32_t)v->off + v->len;
}

static void on_max_forwards(struct sb_reader *r, const struct sb_line *line)
{
	struct sb_sip *sip = r->sip;
	struct sb_span v;
	bool good = digits_of(sip->text, line, &v);
	uint32_t number = good ? lex_number(sip->text, v, 256) : 256;
	if (sip->is_response) /* It means nothing there. */
		return;
	if (sip->max_forwards.len || number == 256) {
		sb_reader_fail(r, 400, "Malformed Max-Forwards Header Field");
		return;
	}
	sip->odd |= line->odd;
	sip->max_forwards = v;
	sip->max_forwards_value = (uint16_t)number;
}

static void on_content_length(struct sb_reader *r, const struct sb_line *line)
{
	struct sb_span v;
	r->sip->odd |= line->odd;
	if (r->have_content_length || !digits_of(r->sip->text, line, &v)) {
		sb_reader_fail(r, 400, "Malformed Content-Length Header Field");
		return;
	}
	r->have_content_length = true;
	r->content_length = lex_number(r->sip->text, v, SB_SIP_MAX + 1);
}

/* A Contact that cannot be read is none of a proxy's business: it stays unknown. */
static void on_contact(struct sb_reader *r, const struct sb_line *line)
{
	struct sb_name_addr addr;
	bool odd = false;
	if (r->sip->contact.len == 0 && sb_name_addr_read(r->sip->text, line->value, line->end, &addr, &odd) == 0)
		r->sip->contact = addr.uri;
}

static void first_offset(uint16_t *off, const struct sb_line *line)
{
	if (*off == 0)
		*off = (uint16_t)line->off;
}

static void on_route(struct sb_reader *r, const struct sb_line *line)
{
	r->sip->odd |= line->odd;
	if (r->sip->route_line == 0) {
		r->sip->route_line = (uint16_t)line->off;
		r->route = *line;
	} else if (r->route2 == 0) {
		r->route2 = line->off;
	}
}

static void on_record_route(struct sb_reader *r, const struct sb_line *line)
{
	first_offset(&r->sip->record_route_line, line);
}

static void on_proxy_require(struct sb_reader *r, const struct sb_line *line)
{
	first_offset(&r->sip->proxy_require_line, line);
}

static void on_timestamp(struct sb_reader *r, const struct sb_line *line)
{
	if (r->sip->timestamp_line.len == 0)
		r->sip->timestamp_line = lex_span(line->off, line->end);
}

/* Its seconds alone; comment and parameters may follow (20.33). */
static void on_retry_after(struct sb_reader *r, const struct sb_line *line)
{
	const char *text = r->sip->text;
	uint32_t at = lex_blanks(text, line->value, line->end);
	if (r->sip->is_response && r->sip->retry_after_s == 0)
		r->sip->retry_after_s =
		        lex_number(text, lex_span(at, lex_run(text, at, line->end, LEX_DIGIT)), UINT32_MAX);
}

/* A line without a colon leaves it open where fields begin and end: no proxy can pass that on and mean the same. */
static void on_bad(struct sb_reader *r, const struct sb_line *line)
{
	sb_reader_fail(r, 400, "Malformed Header Line");
}

void sb_read_field(struct sb_reader *r, const struct sb_line *line)
{
	static void (*const on[SB_FIELDS])(struct sb_reader *, const struct sb_line *) = {
	        [SB_F_VIA] = on_via,
	        [SB_F_FROM] = on_from,
	        [SB_F_TO] = on_to,
	        [SB_F_CALL_ID] = on_call_id,
	        [SB_F_CSEQ] = on_cseq,
	        [SB_F_MAX_FORWARDS] = on_max_forwards,
	        [SB_F_CONTENT_LENGTH] = on_content_length,
	        [SB_F_CONTACT] = on_contact,
	        [SB_F_ROUTE] = on_route,
	        [SB_F_RECORD_ROUTE] = on_record_route,
	        [SB_F_PROXY_REQUIRE] = on_proxy_require,
	        [SB_F_TIMESTAMP] = on_timestamp,
	        [SB_F_RETRY_AFTER] = on_retry_after,
	        [SB_F_BAD] = on_bad,
	};
	if (on[line->field])
		on[line->field](r, line);
}

/* The top Via, and whatever else its line holds. */
void sb_read_via(struct sb_reader *r)
{
	struct sb_sip *sip = r->sip;
	struct sb_via further;
	uint32_t at = r->via_value;
	if (sip->n_via_lines == 0) {
		sb_reader_fail(r, 400, "Missing Via Header Field");
		return;
	}
#ifdef __AVX2__
	memset(&sip->via, 0, sizeof sip->via);
	if (quick_via(sip->text, at, r->via_end, &sip->via)) {
		sip->via.next = (uint16_t)r->via2_value;
		sip->via_next_end = (uint16_t)r->via2_end;
		return;
	}
#endif
	bool bad = sb_via_read(sip->text, &at, r->via_end, &sip->via, &sip->odd);
	for (unsigned i = 0; !bad && at < r->via_end; i++) {
		at++;
		bad = i == SB_SIP_VALUES_MAX || sb_via_read(sip->text, &at, r->via_end, &further, &sip->odd);
	}
	if (bad)
		sb_reader_fail(r, 400, "Malformed Via Header Field");
	if (!sip->via.multi)
		sip->via.next = (uint16_t)r->via2_value;
	sip->via_next_end = (uint16_t)(sip->via.multi ? r->via_end : r->via2_end);
}

void sb_read_top_route(struct sb_reader *r)
{
	struct sb_sip *sip = r->sip;
	if (sip->is_response || !sip->route_line)
		return;
	if (sb_route_first(sip->text, &r->route, r->route2, &sip->route, &sip->routes, &sip->odd)) {
		memset(&sip->route, 0, sizeof sip->route);
		sb_reader_fail(r, 400, "Malformed Route Header Field");
	}
}

void sb_read_cseq_method(struct sb_reader *r)
{
	struct sb_sip *sip = r->sip;
	if (sip->is_response) {
		sip->method_text = r->cseq_method;
		sip->method = (uint8_t)sb_method_of(sip->text, r->cseq_method);
	} else if (r->cseq_method.len != sip->method_text.len ||
	           memcmp(sip->text + r->cseq_method.off, sip->text + sip->method_text.off, sip->method_text.len)) {
		sb_reader_fail(r, 400, "CSeq Method Does Not Match");
	}
}

void sb_read_length(struct sb_reader *r)
{
	struct sb_sip *sip = r->sip;
	sip->len = sip->text_len;
	if (sip->body == 0)
		return;
	uint32_t there = sip->text_len - sip->body;
	sip->content_length = there;
	if (!r->have_content_length)
		return; /* 18.3: over UDP the body then is all that is there */
	if (r->content_length > there) {
		sb_reader_fail(r, 400, "Content-Length Exceeds Datagram");
		return;
	}
	sip->content_length = r->content_length;
	sip->len = sip->body + r->content_length;
}

void sb_read_finish(struct sb_reader *r)
{
	struct sb_sip *sip = r->sip;
	sb_read_via(r);
	if (sip->from_line.len == 0)
		sb_reader_fail(r, 400, "Missing From Header Field");
	if (sip->to_line.len == 0)
		sb_reader_fail(r, 400, "Missing To Header Field");
	if (sip->call_id_line.len == 0)
		sb_reader_fail(r, 400, "Missing Call-ID Header Field");
	if (sip->cseq_line.len == 0)
		sb_reader_fail(r, 400, "Missing CSeq Header Field");
	/* By branch and CSeq its sender knows the answer (17.1.3). What a header that is cut short lacks was perhaps
	 * there. */
	sip->answerable = sip->via.host.len && sip->cseq_line.len &&
	                  (sip->body || (sip->from_line.len && sip->to_line.len && sip->call_id_line.len));
	sb_read_cseq_method(r);
	sb_read_top_route(r);
	sb_read_length(r);
}
