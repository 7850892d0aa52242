/* SPDX-License-Identifier: BSD-3-Clause */
/* brief.c - a plain INVITE that begins a dialog, read so far as turning it away takes: which lines are which, the top
 * Via, Call-ID and CSeq; and the ACK of such an answer, known by its tag. Past capacity this is what a worker does
 * most, so the rest is not looked at: what is wrong there, nobody is told. */
#ifdef __AVX2__

#define ACK_MAX 2048 /* bytes that are looked through */

/* The number 0, however it is written, is for the full reading to refuse. */
static inline bool may_be_forwarded(const struct plain *p)
{
	if (!has(p, SB_F_MAX_FORWARDS))
		return true;
	uint8_t first = (uint8_t)p->r->sip->text[place_of(p, p->first[SB_F_MAX_FORWARDS], 12).value];
	return first >= '1' && first <= '9';
}

/* Where From's and To's lines are. False: To has a tag, or is not certain to have none: it would stand behind the URI's
 * bracket. */
static inline bool brief_parties(const struct plain *p)
{
	struct sb_sip *sip = p->r->sip;
	struct place from = place_of(p, p->first[SB_F_FROM], 4), to = place_of(p, p->first[SB_F_TO], 2);
	sip->from_line = lex_span(from.off, from.end);
	sip->to_line = lex_span(to.off, to.end);
	return sip->text[to.end - 1] == '>';
}

bool sb_brief(struct sb_sip *sip, const char *text, uint32_t len)
{
	const uint32_t rare = 1u << SB_F_ROUTE | 1u << SB_F_PROXY_REQUIRE;
	struct sb_lines lines;
	struct sb_reader r = {.sip = sip};
	struct plain p;
	if (len > SB_SIP_MAX || word(text, 7) != 0x20455449564e49) /* "INVITE " */
		return false;
	p.r = &r;
	p.lines = &lines;
	begin(sip, text, len, 0);
	sb_scan(text, 0, len, &lines);
	if (!plain_lines(&p) || (p.seen & rare) || lines.end[0] < 20 || !quick_is8(text + lines.end[0] - 9, " SIP/2.0"))
		return false;
	sip->method = SB_M_INVITE;
	if (!plain_via(&p) || !brief_parties(&p) || !plain_call_id(&p) || !plain_cseq(&p) || !may_be_forwarded(&p) ||
	        !others_are_named(&p)) /* or a field of ours may be among them, or go on in one */
		return false;
	sip->n_via_lines = (uint16_t)(p.again >> SB_F_VIA & 1 ? __builtin_popcountll(lines_of(&p, SB_F_VIA)) : 1);
	return !sip->odd;
}

bool sb_ack_of(const char *text, uint32_t len, const char start[8])
{
	if (len > ACK_MAX || !quick_is4(text, "ACK "))
		return false;
	for (uint32_t at = 0; at + 8 <= len; at += 64) {
		uint64_t hits = lex_eq64(text + at, start[0]) & lex_eq64(text + at + 7, start[7]);
		for (; hits; hits &= hits - 1) {
			const char *tag = text + at + quick_first(hits);
			if (quick_is8(tag, start) && quick_is4(tag - 4, "tag=") && tag[-5] == ';' &&
			        tag + 8 <= text + len)
				return true;
		}
	}
	return false;
}

#else

bool sb_brief(struct sb_sip *sip, const char *text, uint32_t len)
{
	(void)sip, (void)text, (void)len;
	return false;
}

bool sb_ack_of(const char *text, uint32_t len, const char start[8])
{
	(void)text, (void)len, (void)start;
	return false;
}

#endif
