/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config/value.h"
#include <ctype.h>
#include <strings.h>
#include <switchback/snapshot.h>

#define ALNUM "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static const char out_of_range[] = "is out of range";

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit time_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0}};
static const struct unit short_units[] = {{"us", 1}, {"ms", 1000}, {NULL, 0}};
static const struct unit memory_units[] = {{"MB", 1}, {"GB", 1024}, {NULL, 0}};

/* Digits, at most 12 of them so that nothing overflows. The end, or NULL. */
static const char *read_digits(const char *p, uint64_t *v)
{
	size_t n = strspn(p, "0123456789");
	if (n == 0 || n > 12)
		return NULL;
	*v = 0;
	for (size_t i = 0; i < n; i++)
		*v = *v * 10 + (uint64_t)(p[i] - '0');
	return p + n;
}

static const char *read_int(const struct sb_key *k, const char *text, void *out)
{
	uint64_t v;
	const char *end = read_digits(text, &v);
	if (!end || *end)
		return text[0] && !text[strspn(text, "0123456789")] ? out_of_range : "is not a whole number";
	if (v < k->min || v > k->max)
		return out_of_range;
	*(uint32_t *)out = (uint32_t)v;
	return NULL;
}

/* "1.5s" in thousandths of the smallest unit; a bare 0 needs no unit. False: not of the form. */
static bool read_quantity(const char *text, const struct unit *units, uint64_t *thousandths)
{
	uint64_t whole, part = 0;
	const char *p = read_digits(text, &whole);
	if (!p)
		return false;
	if (*p == '.') {
		const char *end = read_digits(p + 1, &part);
		if (!end || end - p > 4)
			return false;
		for (ptrdiff_t digits = end - p - 1; digits < 3; digits++)
			part *= 10;
		p = end;
	}
	*thousandths = 0;
	if (!*p && !whole && !part)
		return true;
	for (; units->name; units++) {
		if (strcmp(p, units->name) == 0) {
			*thousandths = (whole * 1000 + part) * units->factor;
			return true;
		}
	}
	return false;
}

static const char *read_time(const struct sb_key *k, const char *text, void *out)
{
	uint64_t v, unit = k->unit ? k->unit : 1;
	if (!read_quantity(text, time_units, &v))
		return "is not a duration";
	if (v < k->min * 1000ull || v > k->max * 1000ull)
		return out_of_range;
	if (v % (unit * 1000))
		return unit == 1 ? "is not a whole number of milliseconds" : "is not a whole number of seconds";
	*(uint32_t *)out = (uint32_t)(v / 1000 / unit);
	return NULL;
}

static const char *read_micros(const struct sb_key *k, const char *text, void *out)
{
	uint64_t v;
	if (!read_quantity(text, short_units, &v))
		return "is not a duration";
	if (v < k->min * 1000ull || v > k->max * 1000ull)
		return out_of_range;
	if (v % 1000)
		return "is not a whole number of microseconds";
	*(uint32_t *)out = (uint32_t)(v / 1000);
	return NULL;
}

static const char *read_memory(const struct sb_key *k, const char *text, void *out)
{
	uint64_t v;
	if (!read_quantity(text, memory_units, &v))
		return "is not an amount of memory";
	if (v < k->min * 1000ull || v > k->max * 1000ull)
		return out_of_range;
	*(uint32_t *)out = (uint32_t)(v / 1000);
	return NULL;
}

static const char *read_bool(const struct sb_key *k, const char *text, void *out)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
	for (uint32_t i = 0; i < 6; i++) {
		if (strcasecmp(text, words[i]) == 0) {
			*(uint32_t *)out = i & 1;
			return NULL;
		}
	}
	return "is neither true nor false";
}

static const char *read_choice(const struct sb_key *k, const char *text, void *out)
{
	for (uint32_t i = 0; k->choices[i]; i++) {
		if (strcmp(text, k->choices[i]) == 0) {
			*(uint32_t *)out = i;
			return NULL;
		}
	}
	return "is not one of the choices";
}

static const char *keep(const char *text, void *out)
{
	memcpy(out, &text, sizeof text);
	return NULL;
}

static const char *read_name(const struct sb_key *k, const char *text, void *out)
{
	size_t len = strlen(text);
	if (len > k->max)
		return "is too long";
	if (!len || text[strspn(text, ALNUM "._-")] || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return "is not a name";
	return keep(text, out);
}

static bool is_printable(const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p < ' ' || *p > '~')
			return false;
	}
	return true;
}

static const char *read_text(const struct sb_key *k, const char *text, void *out)
{
	size_t len = strlen(text);
	if (len > k->max)
		return "is too long";
	if (len < k->min)
		return "is too short";
	return is_printable(text) ? keep(text, out) : "has characters that are not printable ASCII";
}

static const char *read_path(const struct sb_key *k, const char *text, void *out)
{
	if (strlen(text) > k->max)
		return "is too long";
	for (const char *p = text; *p; p++)
		if ((uint8_t)*p < ' ' || *p == 127)
			return "has a control character in it";
	return *text == '/' ? keep(text, out) : "is not an absolute path";
}

/* It is put between "<" and ">" of a From header field: no character may end it there. */
static const char *read_uri(const struct sb_key *k, const char *text, void *out)
{
	if (strlen(text) > k->max)
		return "is too long";
	bool scheme = strncasecmp(text, "sip:", 4) == 0 && text[4];
	if (*text && (!scheme || !is_printable(text) || strpbrk(text, " <>\"")))
		return "is not a SIP URI";
	return keep(text, out);
}

static const char *read_prefix(const struct sb_key *k, const char *text, void *out)
{
	size_t len = strlen(text);
	if (len >= SB_PREFIX_MAX)
		return "is too long";
	if (!len || text[strspn(text, ALNUM "+*#._-")])
		return "is not a number's beginning";
	return keep(text, out);
}

static const char *read_domain(const struct sb_key *k, const char *text, void *out)
{
	size_t len = strlen(text);
	if (len > k->max)
		return "is too long";
	if (!len || text[strspn(text, ALNUM ".-_:[]")] || *text == '.')
		return "is not a domain";
	return keep(text, out);
}

/* An address that a host may have: not any, broadcast, multicast or an IPv4 address in IPv6's clothes. */
static bool is_unicast(const struct sb_addr *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, none[16];
	if (memcmp(a->ip, none, 16) == 0)
		return false;
	return a->family == 4 ? a->ip[0] < 224 : a->ip[0] != 0xff && memcmp(a->ip, mapped, 12) != 0;
}

static const char *read_ip(const struct sb_key *k, const char *text, void *out)
{
	struct sb_addr a = {0};
	if (sb_addr_parse_ip(text, strlen(text), &a))
		return "is not an IP address";
	if (!is_unicast(&a))
		return "is not an address that a host can have";
	memcpy(out, &a, sizeof a);
	return NULL;
}

/* "sip.example.com" or "sip.example.com:5060": a letter in the host, and no colon but the port's. */
static bool is_host_name(const char *text)
{
	size_t host = strspn(text, ALNUM ".-_"), digits = strspn(text, "0123456789.-_");
	const char *rest = text + host;
	return digits < host && (!*rest || (*rest == ':' && rest[1 + strspn(rest + 1, "0123456789")] == 0));
}

/* Port 0 is 5060, as where the field's phones write it (S3.5). */
static const char *read_endpoint(const struct sb_key *k, const char *text, void *out)
{
	struct sb_addr a;
	if (sb_addr_parse(text, 5060, &a)) {
		return is_host_name(text) ? "is a host name, which this release does not look up"
		                          : "is not an IP address";
	}
	if (!is_unicast(&a))
		return "is not an address that a host can have";
	if (!a.port)
		a.port = 5060;
	memcpy(out, &a, sizeof a);
	return NULL;
}

static const char *read_ifaddr(const struct sb_key *k, const char *text, void *out)
{
	struct sb_net n;
	struct sb_addr a = {0};
	if (!strchr(text, '/') || sb_net_parse(text, &n))
		return "is not an address with its prefix length";
	memcpy(a.ip, n.ip, 16);
	a.family = n.family;
	if (!n.bits || !is_unicast(&a))
		return "is not an address that a host can have";
	memcpy(out, &n, sizeof n);
	return NULL;
}

static const char *read_net(const struct sb_key *k, const char *text, void *out)
{
	struct sb_net n;
	if (sb_net_parse(text, &n))
		return "is not an IP network";
	for (unsigned i = 0; i < 128; i++) {
		if (i >= n.bits)
			n.ip[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	}
	memcpy(out, &n, sizeof n);
	return NULL;
}

/* One code, a range or a class: "408", "500-599", "5xx". The end, or NULL. */
static const char *read_range(const char *p, uint64_t *first, uint64_t *last)
{
	const char *end = read_digits(p, first);
	if (!end)
		return NULL;
	*last = *first;
	if (end - p == 1 && (strncmp(end, "xx", 2) == 0 || strncmp(end, "XX", 2) == 0)) {
		*first *= 100;
		*last = *first + 99;
		return end + 2;
	}
	return *end == '-' ? read_digits(end + 1, last) : end;
}

static const char *read_codes(const struct sb_key *k, const char *text, void *out)
{
	struct sb_status_set *set = out;
	const char *p = text;
	for (;;) {
		uint64_t first, last;
		p = read_range(p, &first, &last);
		if (!p || (*p && *p != ','))
			return "is not a response code";
		if (first > last)
			return "begins after its end";
		if (first < k->min || last > k->max)
			return out_of_range;
		for (uint64_t code = first; code <= last; code++)
			sb_status_add(set, (unsigned)code);
		if (!*p)
			return NULL;
		p += 1 + strspn(p + 1, " ");
	}
}

static const char *(*const readers[])(const struct sb_key *, const char *, void *) = {
        [SB_V_INT] = read_int,
        [SB_V_TIME] = read_time,
        [SB_V_MICROS] = read_micros,
        [SB_V_MEMORY] = read_memory,
        [SB_V_BOOL] = read_bool,
        [SB_V_CHOICE] = read_choice,
        [SB_V_NAME] = read_name,
        [SB_V_TEXT] = read_text,
        [SB_V_PATH] = read_path,
        [SB_V_URI] = read_uri,
        [SB_V_PREFIX] = read_prefix,
        [SB_V_DOMAIN] = read_domain,
        [SB_V_IP] = read_ip,
        [SB_V_ENDPOINT] = read_endpoint,
        [SB_V_IFADDR] = read_ifaddr,
        [SB_V_NET] = read_net,
        [SB_V_CODES] = read_codes,
};

const char *sb_value_read(const struct sb_key *k, const char *text, void *out)
{
	return readers[k->kind](k, text, out);
}

void sb_value_time(uint32_t ms, char out[SB_TIME_TEXT_MAX])
{
	const struct unit *u = &time_units[3];
	while (ms % u->factor || (!ms && u > &time_units[1]))
		u--;
	snprintf(out, SB_TIME_TEXT_MAX, "%u%s", ms / (uint32_t)u->factor, u->name);
}

static void join_choices(const char *const *choices, char buf[SB_ALLOWED_MAX])
{
	size_t len = 0;
	for (uint32_t i = 0; choices[i] && len < SB_ALLOWED_MAX - 32; i++) {
		const char *between = i == 0 ? "" : choices[i + 1] ? ", " : " or ";
		len += (size_t)snprintf(buf + len, SB_ALLOWED_MAX - len, "%s%s", between, choices[i]);
	}
}

static const char *allowed_number(const struct sb_key *k, char buf[SB_ALLOWED_MAX])
{
	char first[SB_TIME_TEXT_MAX], last[SB_TIME_TEXT_MAX];
	switch (k->kind) {
	case SB_V_TIME:
		sb_value_time(k->min, first);
		sb_value_time(k->max, last);
		snprintf(
		        buf, SB_ALLOWED_MAX, "a number with %ss, m or h, %s to %s", k->unit ? "" : "ms, ", first, last);
		return buf;
	case SB_V_MICROS:
		snprintf(buf, SB_ALLOWED_MAX, "a number with us or ms, %uus to %ums", k->min, k->max / 1000);
		return buf;
	case SB_V_MEMORY:
		snprintf(buf, SB_ALLOWED_MAX, "a number with MB or GB, %uMB to %uGB", k->min, k->max / 1024);
		return buf;
	case SB_V_CODES:
		snprintf(buf, SB_ALLOWED_MAX, "codes and ranges such as 408, 500-599 or 5xx, from %u to %u", k->min,
		        k->max);
		return buf;
	default:
		snprintf(buf, SB_ALLOWED_MAX, "a whole number, %u to %u", k->min, k->max);
		return buf;
	}
}

const char *sb_value_allowed(const struct sb_key *k, char buf[SB_ALLOWED_MAX])
{
	if (k->allowed)
		return k->allowed;
	switch (k->kind) {
	case SB_V_BOOL:
		return "true or false";
	case SB_V_CHOICE:
		join_choices(k->choices, buf);
		return buf;
	case SB_V_NAME:
		snprintf(buf, SB_ALLOWED_MAX, "1 to %u letters, digits, '.', '_' or '-'", k->max);
		return buf;
	case SB_V_TEXT:
		snprintf(buf, SB_ALLOWED_MAX, "%u to %u printable ASCII characters", k->min, k->max);
		return buf;
	case SB_V_PATH:
		snprintf(buf, SB_ALLOWED_MAX, "a path from / on, of at most %u characters", k->max);
		return buf;
	case SB_V_URI:
		snprintf(buf, SB_ALLOWED_MAX, "a SIP URI such as sip:probe@example.com, of at most %u characters",
		        k->max);
		return buf;
	case SB_V_PREFIX:
		return "1 to 31 digits, letters, '+', '*', '#', '.', '_' or '-'";
	case SB_V_DOMAIN:
		return "a host name or an IP address, of at most 253 characters";
	case SB_V_IP:
		return "an IPv4 or IPv6 address without port";
	case SB_V_ENDPOINT:
		return "an IP address with or without port, such as 198.51.100.1, 198.51.100.1:5060 or "
		       "[2001:db8::1]:5060";
	case SB_V_IFADDR:
		return "an address with its prefix length, such as 192.0.2.10/24 or 2001:db8::10/64";
	case SB_V_NET:
		return "an IP network such as 198.51.100.0/24 or 2001:db8::/32, or an address";
	case SB_V_MAP:
		return "a mapping of keys to values";
	case SB_V_LIST:
		snprintf(buf, SB_ALLOWED_MAX, "a list of %u to %u", k->min, k->max);
		return buf;
	default:
		return allowed_number(k, buf);
	}
}
