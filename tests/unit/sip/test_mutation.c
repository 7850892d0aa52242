/* SPDX-License-Identifier: BSD-3-Clause */
/* Whatever comes, nothing is read or written where it should not be, and what is accepted can be worked with (P17,
 * R4475). Deterministic: one seed, printed on failure by the number of the round. */
#include "bench/micro/messages.h"
#include "dataplane/sip/reader.h"
#include "dataplane/sip/scan.h"
#include "tests/unit/sip/base.h"
#include <dirent.h>

#define ROUNDS   60000
#define TEXT_MAX 6000

static uint64_t seed = 88172645463325252ull;

static uint32_t rnd(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16) % n;
}

static struct seed_text {
	char text[TEXT_MAX];
	uint32_t len;
} texts[64];
static unsigned n_texts, n_torture;

/* A torture message, or as often one of a plain call, which is read in another way until a mutation makes it odd. */
static const struct seed_text *any_text(void)
{
	return &texts[rnd(2) ? rnd(n_torture) : n_torture + rnd(n_texts - n_torture)];
}

static void load_plain(void)
{
	n_torture = n_texts;
	for (unsigned i = 0; i < sizeof messages / sizeof messages[0] && n_texts < 64; i++, n_texts++) {
		texts[n_texts].len = (uint32_t)strlen(messages[i].text);
		memcpy(texts[n_texts].text, messages[i].text, texts[n_texts].len);
	}
}

static int group_load(void **state)
{
	struct dirent *e;
	DIR *d = opendir(SB_TEST_DATA "/rfc4475");
	if (!d)
		return -1;
	while ((e = readdir(d)) && n_texts < 64) {
		char path[1024];
		if (!strstr(e->d_name, ".dat"))
			continue;
		snprintf(path, sizeof path, "%s/rfc4475/%s", SB_TEST_DATA, e->d_name);
		FILE *f = fopen(path, "rb");
		if (!f)
			continue;
		texts[n_texts].len = (uint32_t)fread(texts[n_texts].text, 1, TEXT_MAX / 2, f);
		n_texts++;
		fclose(f);
	}
	closedir(d);
	load_plain();
	return group_osip(state);
}

static void put(struct seed_text *t, uint32_t at, const char *s, uint32_t len)
{
	if (t->len + len > TEXT_MAX)
		return;
	memmove(t->text + at + len, t->text + at, t->len - at);
	memcpy(t->text + at, s, len);
	t->len += len;
}

static void mutate(struct seed_text *t)
{
	static const char bytes[] = "\r\n \t:;=,<>\"\\@%/[]?0\0\xff\x80Vvftilm";
	static const char *const pieces[] = {"\r\n ", "\r\nVia: SIP/2.0/UDP h1;branch=z9hG4bKx",
	        "\r\nRoute: <sip:a1;lr>, <sip:b1;lr>", ";rport", ";received=[::1]", "\r\n\r\n", ", ", "\"", "\\\"",
	        ";tag=1", "\n", "\r", "[2001:db8::1]:5060", "SIP/2.0/UDP 1.1.1.1, ", "%41", "?a=b",
	        "Record-Route: <sip:192.0.2.10:5060;lr>\r\n"};
	if (t->len == 0)
		return;
	uint32_t at = rnd(t->len), cut;
	switch (rnd(5)) {
	case 0:
		t->text[at] = (char)rnd(256);
		break;
	case 1:
		t->text[at] = bytes[rnd(sizeof bytes - 1)];
		break;
	case 2:
		cut = rnd(20) < t->len - at ? rnd(20) % (t->len - at) : 0;
		memmove(t->text + at, t->text + at + cut, t->len - at - cut);
		t->len -= cut;
		break;
	case 3: {
		const char *piece = pieces[rnd(sizeof pieces / sizeof pieces[0])];
		put(t, at, piece, (uint32_t)strlen(piece));
		break;
	}
	default:
		if (rnd(4) == 0)
			t->len = at;
	}
}

/* What a response is sent on by is read as it would be on the way through all the Vias. */
static void below_is_the_next(const struct msg *m)
{
	struct sb_via want, via;
	if (m->read > SB_READ_RESPONSE)
		return;
	bool readable = sb_sip_via_at(&m->sip, m->sip.via.next, &want) == 0;
	assert_int_equal(sb_sip_via_below(&m->sip, &via) == 0, readable);
	assert_int_equal(sb_via_below(&m->sip, &via) == 0, readable);
	sb_sip_via_below(&m->sip, &via);
	via.next = want.next;
	if (readable)
		assert_memory_equal(&via, &want, sizeof via);
}

static void work_with_it(struct msg *m)
{
	struct sb_route_walk walk = {.line = m->sip.route_line};
	struct sb_route route;
	struct sb_via via = m->sip.via;
	char out[TEXT_MAX + SB_RELAY_GROWTH];
	bool bad;
	while (sb_sip_route_next(&m->sip, &walk, &route, &bad))
		sb_uri_number(m->text, &route.parsed, out, 32);
	below_is_the_next(m);
	for (unsigned i = 0; i < SB_SIP_VALUES_MAX && via.next; i++)
		if (sb_sip_via_at(&m->sip, via.next, &via))
			break;
	struct sb_relay relay = {.via_hostport = "192.0.2.10:5060",
	        .via_hostport_len = 15,
	        .branch = "z9hG4bK0123456789012345678901234567890123456789",
	        .source = {.ip = {10, 1, 1, 1}, .port = 5099, .family = 4},
	        .strip_routes = rnd(3)};
	struct sb_reply reply = {
	        .status = 400, .reason = "Bad Request", .to_tag = "t", .to_tag_len = 1, .source = relay.source};
	if (m->read > SB_READ_BAD_RESPONSE)
		return;
	sb_compose_reply(&m->sip, &reply, out, sizeof out);
	sb_compose_ack(&m->sip, &relay, "To: x", 5, out, rnd(sizeof out));
	sb_compose_response(&m->sip, 500, "x", out, rnd(sizeof out));
	sb_compose_after_2xx(&m->sip, &m->sip, SB_M_BYE, "192.0.2.10:5060", 15, relay.branch, out, sizeof out);
	if (m->read != SB_READ_REQUEST)
		return;
	relay.strip_routes = 0;
	int len = sb_compose_request(&m->sip, &relay, out, sizeof out);
	assert_in_range(len, m->sip.len - m->sip.start, m->sip.len + SB_RELAY_GROWTH);
	struct msg *again = msg_new(out, (size_t)len, '\r');
	assert_int_equal(sb_sip_index(&again->sip, again->text, again->len), SB_READ_REQUEST);
	assert_int_equal(again->sip.n_via_lines, m->sip.n_via_lines + 1);
	assert_int_equal(again->sip.content_length, m->sip.content_length);
	msg_free(again);
}

/* The second reader: what the vector pass is certain of, libosip2 reads the same way. */
static void certainty_is_shared(struct msg *m)
{
	enum sb_read read = sb_sip_index(&m->sip, m->text, m->len);
	if ((read == SB_READ_REQUEST || read == SB_READ_RESPONSE) && !m->sip.odd)
		assert_true(sb_osip_accepts(&m->sip));
}

static void no_mutation_of_a_message_does_harm(void **state)
{
	static struct seed_text t;
	assert_int_equal(n_torture, 49);
	assert_int_equal(n_texts, n_torture + 7);
	for (unsigned round = 0; round < ROUNDS; round++) {
		t = *any_text();
		for (unsigned n = rnd(5); n > 0; n--)
			mutate(&t);
		struct msg *m = msg_new(t.text, t.len, rnd(2) ? '\r' : '\n');
		certainty_is_shared(m);
		m->read = sb_sip_read(&m->sip, m->text, m->len, rnd(2), &m->asked);
		work_with_it(m);
		msg_free(m);
	}
}

#ifdef SB_READINGS

static void reads_the_same(const struct msg *m, enum sb_read (*index)(struct sb_sip *, const char *, uint32_t))
{
	struct sb_sip plain, other;
	enum sb_read read = sb_index(&plain, m->text, m->len);
	assert_int_equal(index(&other, m->text, m->len), read);
	assert_true((plain.error_text == NULL) == (other.error_text == NULL));
	if (plain.error_text)
		assert_string_equal(plain.error_text, other.error_text);
	plain.error_text = other.error_text = NULL;
	assert_memory_equal(&plain, &other, sizeof plain);
}

/* The source is one, but for what the vectors look at: that must come to the same. */
static void all_readings_are_the_same(void **state)
{
	static struct seed_text t;
	for (unsigned round = 0; round < ROUNDS; round++) {
		t = *any_text();
		for (unsigned n = rnd(5); n > 0; n--)
			mutate(&t);
		struct msg *m = msg_new(t.text, t.len, rnd(2) ? '\r' : '\n');
		if (sb_has_v3())
			reads_the_same(m, sb_index_v3);
		if (sb_has_v4())
			reads_the_same(m, sb_index_v4);
		msg_free(m);
	}
}

static void spans_equal(struct sb_span a, struct sb_span b)
{
	assert_int_equal(a.off, b.off);
	assert_int_equal(a.len, b.len);
}

/* What the brief reading says is what the whole one says, if that finds no fault; and all that is answered by. */
static bool brief_is_part_of_the_whole(const struct msg *m, bool (*read)(struct sb_sip *, const char *, uint32_t))
{
	struct sb_sip brief, whole;
	char out[2][TEXT_MAX + SB_RELAY_GROWTH];
	struct sb_reply reply = {.status = 503, .reason = "x", .to_tag = "t", .to_tag_len = 1};
	if (!read(&brief, m->text, m->len))
		return false;
	enum sb_read whole_read = sb_sip_index(&whole, m->text, m->len);
	assert_true(whole_read == SB_READ_REQUEST || whole_read == SB_READ_BAD_REQUEST);
	assert_int_equal(whole.method, SB_M_INVITE);
	assert_true(brief.answerable && whole.answerable && !whole.route_line && !whole.proxy_require_line);
	if (whole_read == SB_READ_REQUEST) {
		assert_int_equal(whole.to_tag.len, 0);
		assert_memory_equal(&brief.via, &whole.via, sizeof whole.via);
		spans_equal(brief.call_id, whole.call_id);
		assert_int_equal(brief.cseq, whole.cseq);
		reply.source = (struct sb_addr){.ip = {10, 1, 1, 1}, .port = 5099, .family = 4};
		int n = sb_compose_reply(&whole, &reply, out[0], sizeof out[0]);
		assert_int_equal(sb_compose_reply(&brief, &reply, out[1], sizeof out[1]), n);
		assert_memory_equal(out[0], out[1], (size_t)n);
	}
	return true;
}

static void brief_reading_is_part_of_the_whole(void **state)
{
	static struct seed_text t;
	unsigned n_brief = 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		t = round % 2 ? texts[n_torture] : *any_text(); /* the one is INVITE */
		for (unsigned n = rnd(5); n > 0; n--)
			mutate(&t);
		struct msg *m = msg_new(t.text, t.len, rnd(2) ? '\r' : '\n');
		bool by_v3 = sb_has_v3() && brief_is_part_of_the_whole(m, sb_brief_v3);
		if (sb_has_v4())
			assert_int_equal(brief_is_part_of_the_whole(m, sb_brief_v4), by_v3);
		n_brief += by_v3;
		msg_free(m);
	}
	assert_true(!sb_has_v3() || (n_brief > ROUNDS / 10 && n_brief < ROUNDS / 2));
}

/* Wherever in a block of vectors it stands, up to the text's end. */
static void ack_is_known_by_its_tag(void **state)
{
	for (unsigned fill = 0; fill < 200; fill++) {
		char text[600];
		int n = snprintf(
		        text, sizeof text, "ACK sip:a@h1 SIP/2.0\r\nX: %0*u\r\nTo: <sip:b@h1>;tag=0123abcd", fill, 0);
		for (int cut = 0; cut < 3; cut++) {
			struct msg *m = msg_new(text, (size_t)(n - cut), 'd');
			if (sb_has_v3())
				assert_int_equal(sb_ack_of_v3(m->text, m->len, "0123abcd"), cut == 0);
			if (sb_has_v4())
				assert_int_equal(sb_ack_of_v4(m->text, m->len, "0123abcd"), cut == 0);
			assert_false(sb_sip_ack_of(m->text, m->len, "0123abce"));
			m->text[0] = 'B';
			assert_false(sb_sip_ack_of(m->text, m->len, "0123abcd"));
			msg_free(m);
		}
		*strrchr(text, ';') = 'x'; /* no parameter of that name */
		struct msg *m = msg_new(text, (size_t)n, '\n');
		assert_false(sb_sip_ack_of(m->text, m->len, "0123abcd"));
		msg_free(m);
	}
}

/* From and To are told by masks of a block: what is hardly one of their shapes, or just no longer one. */
static void parties_on_the_edge_are_read_the_same(void **state)
{
	static const char *const parties[] = {"<sip:@h1>", "<sip:a@h>", "<sip:h>", "<sip:h1>", "<sip:a+b@h1>",
	        "<sip:+@h1>", "<sip:a@+1>", "<sip:a+b>", "\"a\\\" <sip:a@h1>", "\"a<b\" <sip:a@h1>",
	        "\"a\"b <sip:a@h1>", "\"a\"  <sip:a@h1>", "\"a\"<sip:a@h1>", "\"a\" \"b\" <sip:a@h1>",
	        "a \"b\" <sip:a@h1>", "a b <sip:a@h1>", "a, <sip:a@h1>", "\"\" <sip:a@h1>", "\" <sip:a@h1>",
	        "<sip:a@h1:5060>", "<sip:a@h1:1>", "<sip:a@h1:65535>", "<sip:a@h1:65536>", "<sip:a@h1:0>",
	        "<sip:a@h1:>", "<sip:h1:5070>", "<sip:a@h1:5060:1>", "<sip:a@b@h1>", "<sip:a:b@h1>",
	        "<sip:a@h1;user=phone>", "<sip:a@h1", "sip:a@h1>", "><sip:a@h1", "<sip:>", "<sip:@>", "<sip:a@>",
	        "<sip:a@h1>>", "<<sip:a@h1>", "< sip:a@h1>",
	        "<sip:012345678901234567890123456789012345678901234567890@h1>",
	        "<sip:0123456789012345678901234567890123456789012345678901@h1.example>"};
	static const char *const tags[] = {"", ";tag=1", ";tag=", ";tag=1;a", ";tag=\"1\"", " ;tag=1", ";tagg=1"};
	for (unsigned i = 0; i < 2 * 7 * sizeof parties / sizeof parties[0]; i++) {
		char text[600];
		const char *party = parties[i / 14], *tag = tags[i / 2 % 7];
		int n = snprintf(text, sizeof text,
		        "BYE sip:a@h1 SIP/2.0\r\nVia: SIP/2.0/UDP h1;branch=z9hG4bKx\r\nFrom: %s%s\r\nTo: %s%s\r\n"
		        "Call-ID: a\r\nCSeq: 1 BYE\r\n\r\n",
		        i % 2 ? party : "<sip:a@h1>", i % 2 ? tag : "", i % 2 ? "<sip:b@h1>" : party, i % 2 ? "" : tag);
		struct msg *m = msg_new(text, (size_t)n, '>');
		if (sb_has_v3())
			reads_the_same(m, sb_index_v3);
		if (sb_has_v4())
			reads_the_same(m, sb_index_v4);
		msg_free(m);
	}
}

/* Four digits are added up in another way than five. */
static void numbers_of_any_length_are_read_the_same(void **state)
{
	static const char *const numbers[] = {"0", "7", "10", "255", "256", "999", "1000", "9999", "10000", "99999999",
	        "100000000", "2147483647", "2147483648", "0000", "00001", "000000001", "", "/", ":", "1/2", "9:", "-1",
	        "1 2"};
	for (unsigned i = 0; i < 3 * sizeof numbers / sizeof numbers[0]; i++) {
		char text[600];
		const char *number = numbers[i / 3];
		int n = snprintf(text, sizeof text,
		        "BYE sip:a@h1 SIP/2.0\r\nVia: SIP/2.0/UDP h1;branch=z9hG4bKx\r\nFrom: <sip:a@h1>\r\n"
		        "To: <sip:b@h1>\r\nCall-ID: a\r\nCSeq: %s BYE\r\nMax-Forwards: %s\r\nContent-Length: "
		        "%s\r\n\r\n",
		        i % 3 == 0 ? number : "1", i % 3 == 1 ? number : "70", i % 3 == 2 ? number : "0");
		struct msg *m = msg_new(text, (size_t)n, '0');
		if (sb_has_v3())
			reads_the_same(m, sb_index_v3);
		if (sb_has_v4())
			reads_the_same(m, sb_index_v4);
		msg_free(m);
	}
}

/* A header that is cut short, and behind it what an earlier datagram left in the buffer, so that a name begins before
 * the text's end and its URI behind the pad: no reading follows it there. */
static void what_an_earlier_datagram_left_is_not_followed(void **state)
{
	static const char *const texts_cut[] = {"OPTIONS sip:a@h1 SIP/2.0\r\nFrom: \"\r\n",
	        "OPTIONS sip:a@h1 SIP/2.0\r\nFrom: a\r\n", "OPTIONS sip:a@h1 SIP/2.0\r\nTo: \"a\n"};
	for (unsigned i = 0; i < sizeof texts_cut / sizeof texts_cut[0]; i++)
		for (uint32_t at = 0; at + 6 <= SB_SIP_PAD; at++) {
			struct msg *m = msg_new(texts_cut[i], strlen(texts_cut[i]), 'a');
			memcpy(m->text + m->len + at, strchr(texts_cut[i], '"') ? "\"<sip:" : " <sip:", 6);
			m->text[m->len + SB_SIP_PAD - 1] = '@';
			if (sb_has_v3())
				reads_the_same(m, sb_index_v3);
			if (sb_has_v4())
				reads_the_same(m, sb_index_v4);
			msg_free(m);
		}
}

#endif

/* The plainest scan there could be, as the measure of the others. */
static void a_scan_stops_at_the_first_empty_line(void **state)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		char text[300];
		static struct sb_lines lines;
		uint32_t len = 1 + rnd(sizeof text - 1), body = 0, n = 0;
		text[0] = 'x';
		for (uint32_t i = 1; i < len; i++)
			text[i] = "xxxxx\r\n\n"[rnd(8)];
		for (uint32_t i = 1, start = 0; i < len && !body; i++)
			if (text[i] == '\n') {
				if (i == start || (i == start + 1 && text[start] == '\r'))
					body = i + 1;
				else
					n++;
				start = i + 1;
			}
		struct msg *m = msg_new(text, len, '\n');
		sb_scan(m->text, 0, len, &lines);
		assert_int_equal(lines.body, body);
		assert_int_equal(lines.n, n);
		msg_free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(no_mutation_of_a_message_does_harm),
#ifdef SB_READINGS
	        cmocka_unit_test(all_readings_are_the_same),
	        cmocka_unit_test(brief_reading_is_part_of_the_whole),
	        cmocka_unit_test(ack_is_known_by_its_tag),
	        cmocka_unit_test(parties_on_the_edge_are_read_the_same),
	        cmocka_unit_test(numbers_of_any_length_are_read_the_same),
	        cmocka_unit_test(what_an_earlier_datagram_left_is_not_followed),
#endif
	        cmocka_unit_test(a_scan_stops_at_the_first_empty_line),
	};
	return cmocka_run_group_tests(tests, group_load, NULL);
}
