/* SPDX-License-Identifier: BSD-3-Clause */
/* index_osip_known.c - the documented differences between what we read and what libosip2 does: a row each, with its
 * reason. tests/fuzz/corpus/index_osip has a file for each row. */
#include "tests/fuzz/index_osip.h"
#include "dataplane/sip/lex.h"
#include "dataplane/sip/line.h"
#include "dataplane/sip/parse.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Undoes escapes; a NUL ends the text, as it does for libosip2. */
static size_t unescape(const char *s, size_t n, char *out)
{
	size_t len = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned v;
		char hex[3] = {0};
		if (s[i] == '%' && i + 2 < n) {
			memcpy(hex, s + i + 1, 2);
			if (sscanf(hex, "%2x", &v) == 1) {
				if (v == 0)
					break;
				out[len++] = (char)v;
				i += 2;
				continue;
			}
		}
		out[len++] = s[i];
	}
	return len;
}

static bool same_unescaped_up_to(const struct pair *p, size_t ours_len)
{
	static char ours[SIZE_MAX_IN];
	size_t n = unescape(p->ours, ours_len, ours);
	return n == p->theirs_len && memcmp(ours, p->theirs, n) == 0;
}

static bool same_unescaped(const struct pair *p)
{
	return same_unescaped_up_to(p, p->ours_len);
}

static bool with_user_params(const struct pair *p)
{
	size_t n = p->ours_len;
	if (p->ours[n] != ';')
		return false;
	while (p->ours[n] != '@' && p->ours[n] != ':')
		n++;
	return same_unescaped_up_to(p, n);
}

static bool blanks_behind(const struct pair *p)
{
	size_t n = p->theirs_len;
	while (n > p->ours_len && (p->theirs[n - 1] == ' ' || p->theirs[n - 1] == '\t'))
		n--;
	return n == p->ours_len && memcmp(p->ours, p->theirs, n) == 0;
}

static bool blank_escaped(const struct pair *p)
{
	static const char *const codes[] = {"%00", "%09", "%0a", "%0d", "%20"};
	for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++)
		for (unsigned k = 0; k + 3 <= p->within.len; k++)
			if (strncasecmp(sb_at(p->sip, p->within) + k, codes[i], 3) == 0)
				return true;
	return false;
}

static bool param_left_out(const struct pair *p)
{
	const char *s = sb_at(p->sip, p->within), *end = s + p->within.len;
	for (const char *c = s; c < end; c++) {
		bool last = c + 1 == end || c[1] == ';';
		if ((*c == ';' && (last || c[1] == '=')) || (*c == '=' && last))
			return true;
	}
	return false;
}

static bool escaped_nul(const struct pair *p)
{
	if (p->ours_len != p->theirs_len)
		return false;
	for (size_t i = 0; i < p->ours_len; i++)
		if (p->ours[i] != p->theirs[i] && (p->ours[i] || p->theirs[i] != '0') &&
		        (!lex_is(p->ours[i], LEX_LWS) || p->theirs[i] != ' '))
			return false;
	return true;
}

static bool no_content_length(const struct pair *p)
{
	struct sb_line line;
	return !sb_line_find(p->sip, p->sip->first_header, SB_F_CONTENT_LENGTH, &line) && p->theirs_len == 1 &&
	       p->theirs[0] == '0';
}

static bool via_comment(const struct pair *p)
{
	return p->within.len && memchr(sb_at(p->sip, p->within), '(', p->within.len);
}

static bool in_brackets(const struct pair *p)
{
	return p->theirs_len == p->ours_len + 2 && p->theirs[0] == '[' && p->theirs[p->theirs_len - 1] == ']' &&
	       memcmp(p->ours, p->theirs + 1, p->ours_len) == 0;
}

static bool value_unread(const struct pair *p)
{
	return p->list.next == UNREAD && strtoul(p->theirs, NULL, 10) >= p->list.sure;
}

static bool value_folded(const struct pair *p)
{
	return p->list.next == FOLDED && strtoul(p->theirs, NULL, 10) >= p->list.sure;
}

static bool we_stopped(const struct pair *p)
{
	return p->list.next == STOPPED && strtoul(p->theirs, NULL, 10) >= p->list.sure;
}

/* The same, blanks of a fold aside, for n bytes. */
static bool unfolded(const char *ours, const char *theirs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ours[i] != theirs[i] && (theirs[i] != ' ' || !lex_is(ours[i], LEX_LWS)))
			return false;
	return true;
}

static bool same_unfolded(const struct pair *p)
{
	return p->ours_len == p->theirs_len && unfolded(p->ours, p->theirs, p->ours_len);
}

static bool first_value(const struct pair *p)
{
	uint32_t first = 0, end = (uint32_t)p->ours_len;
	while (first < end && (p->ours[first] == ',' || lex_is(p->ours[first], LEX_LWS)))
		first++;
	if (first == end || (first && !p->theirs_len)) /* of commas and blanks alone: left out, or empty */
		return first > 0;
	if (p->theirs_len > end - first || !unfolded(p->ours + first, p->theirs, p->theirs_len))
		return false;
	uint32_t at = lex_blanks(p->ours, first + (uint32_t)p->theirs_len, end);
	return at == end ? first > 0 : p->ours[at] == ',';
}

static bool ends_at_blank(const struct pair *p)
{
	return p->at.len && (uint8_t)p->sip->text[p->at.off + p->at.len] <= ' ';
}

static bool malformed_contact(const struct pair *p)
{
	struct sb_line line;
	struct sb_name_addr addr;
	bool odd = false;
	return sb_line_find(p->sip, p->sip->first_header, SB_F_CONTACT, &line) &&
	       sb_name_addr_read(p->sip->text, line.value, line.end, &addr, &odd);
}

static bool all_contacts(const struct pair *p)
{
	const osip_contact_t *contact = osip_list_get(&p->osip->contacts, 0);
	return contact && contact->displayname && contact->displayname[0] == '*' && !contact->url;
}

static bool no_content_type(const struct pair *p)
{
	return !p->osip->content_type && p->theirs_len == 0;
}

static bool multipart(const struct pair *p)
{
	const osip_content_type_t *type = p->osip->content_type;
	return type && type->type && strcasecmp(type->type, "multipart") == 0 &&
	       memmem(p->ours, p->ours_len, p->theirs, p->theirs_len);
}

static const struct {
	enum field first, last;
	const char *reason;
	bool (*applies)(const struct pair *p);
} differences[] = {
        {F_USER, F_USER,
                "libosip2 undoes escapes; we route by unescaped digits and relay the bytes as they came (19.1.2)",
                same_unescaped},
        {F_USER, F_USER, "parameters of the user part are user to libosip2; we route by what stands before them",
                with_user_params},
        {F_USER, F_USER, "libosip2 keeps blanks behind a tel number: a TAB, those of a fold", blanks_behind},
        {F_PARAM, F_PARAM, "libosip2 undoes escapes in values, too; of all values we read our own token's alone",
                same_unescaped},
        {F_PARAM, F_LR, "libosip2 cuts blanks at the ends even if they stood escaped, and all behind an escaped NUL",
                blank_escaped},
        {F_N_PARAMS, F_LR, "libosip2 reads no further than to one without a name, or without a value behind its '='",
                param_left_out},
        {F_URI, F_CONTACT,
                "no blank or control character can stand in a URI: without <> ours ends there, libosip2's at the ';'",
                ends_at_blank},
        {F_CONTACT, F_CONTACT, "libosip2 takes a '*' that comes first for all of it (10.2.2); we look for a URI",
                all_contacts},
        {F_CONTACT, F_CONTACT, "one that we cannot read is no reason to refuse: we keep none, or the next line's",
                malformed_contact},
        {F_TIMESTAMP, F_PROXY_REQUIRE,
                "to libosip2 a comma begins a value of its own, if it is not empty; we keep the line", first_value},
        {F_BODY, F_BODY, "to libosip2 there is no body without a Content-Type", no_content_type},
        {F_TIMESTAMP, F_PROXY_REQUIRE, "libosip2 undoes folds, which we relay as they came", same_unfolded},
        {F_BODY, F_BODY, "it does so in a body, too, if line ends of two kinds divide it from the header",
                same_unfolded},
        {F_BODY, F_BODY, "libosip2 takes a multipart body apart", multipart},
        {F_LENGTH, F_LENGTH, "libosip2 takes a missing one for 0; over UDP the body is then all that is there (18.3)",
                no_content_length},
        {F_BRANCH, F_RPORT, "to libosip2 a '(' begins a comment, as in RFC 2543; of the top Via we refuse it",
                via_comment},
        {F_RECEIVED, F_RECEIVED, "we cut an IPv6 address's brackets, to compare addresses", in_brackets},
        {F_TAG, F_RPORT, "it takes C strings: a NUL, which may stand escaped in a quoted string (25.1), is shown as 0",
                escaped_nul},
        {F_N_VIAS, F_N_RECORD_ROUTES, "libosip2 leaves out what it cannot read; a proxy reads the topmost alone (16.3)",
                value_unread},
        {F_N_VIAS, F_N_RECORD_ROUTES,
                "it may leave out, too, what is folded or holds a TAB, which a part is shown without", value_folded},
        {F_N_VIAS, F_N_RECORD_ROUTES,
                "we read no further than to one that is malformed, or to the SB_SIP_VALUES_MAX-th", we_stopped},
};

bool difference_is_known(const struct pair *p)
{
	for (unsigned i = 0; i < sizeof differences / sizeof differences[0]; i++)
		if (differences[i].first <= p->field && p->field <= differences[i].last && differences[i].applies(p))
			return true;
	return false;
}
