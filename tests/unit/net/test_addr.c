/* SPDX-License-Identifier: BSD-3-Clause */
/* What both planes share: addresses and networks as people write them (S3.5: a missing port is the default one), and
 * errors. */
#include "frames.h"
#include <switchback/err.h>

static void address_is(const char *text, const char *want)
{
	struct sb_addr a;
	char got[SB_ADDR_TEXT_MAX] = "bad";
	if (sb_addr_parse(text, 5060, &a) == 0)
		sb_addr_format(&a, got);
	assert_string_equal(got, want);
}

static void addresses_are_read_with_and_without_a_port(void **s)
{
	static const char *const bad[] = {"", "192.0.2", "192.0.2.256", "192.0.2.1:", "192.0.2.1:x", "192.0.2.1:70000",
	        "192.0.2.1:5060x", "192.0.2.1:-1", "192.0.2.1:+1", "192.0.2.1: 1", "[2001:db8::1", "[2001:db8::1]5060",
	        "[2001:db8::1]:", "[192.0.2.1", "2001:db8::1::2", "name.example",
	        "2001:0db8:0000:0000:0000:0000:0000:0001:0000:0000:0000:0000"};
	address_is("192.0.2.1", "192.0.2.1:5060");
	address_is("192.0.2.1:5070", "192.0.2.1:5070");
	address_is("192.0.2.1:0", "192.0.2.1:0");
	address_is("192.0.2.1:65535", "192.0.2.1:65535");
	address_is("2001:db8::1", "[2001:db8::1]:5060");
	address_is("[2001:db8::1]", "[2001:db8::1]:5060");
	address_is("[2001:db8::1]:5070", "[2001:db8::1]:5070");
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		address_is(bad[i], "bad");
}

/* P21: who is trusted: the bits of the prefix and no other; families do not mix */
static void networks_hold_what_their_prefix_says(void **s)
{
	static const struct {
		const char *net, *in, *out;
	} rows[] = {{"192.0.2.0/24", "192.0.2.255", "192.0.3.0"}, {"192.0.2.1", "192.0.2.1", "192.0.2.2"},
	        {"192.0.2.128/25", "192.0.2.200", "192.0.2.127"}, {"0.0.0.0/0", "203.0.113.1", "2001:db8::1"},
	        {"10.32.0.0/11", "10.63.0.1", "10.64.0.1"}, {"2001:db8::/61", "2001:db8:0:7::1", "2001:db8:0:8::1"},
	        {"2001:db8::1", "2001:db8::1", "2001:db8::2"}, {"::/0", "2001:db8::1", "192.0.2.1"}};
	static const char *const bad[] = {"192.0.2.0/33", "2001:db8::/129", "192.0.2.0/", "192.0.2.0/x", "192.0.2.0/8x",
	        "192.0.2.0/-1", "x/8", "/8"};
	struct sb_net n;
	for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sb_addr in = at(rows[i].in), out = at(rows[i].out);
		assert_int_equal(sb_net_parse(rows[i].net, &n), 0);
		assert_true(sb_net_has(&n, &in));
		assert_false(sb_net_has(&n, &out));
	}
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(sb_net_parse(bad[i], &n), -2);
}

/* An operator who reads one knows which it was */
static void every_error_has_a_text_of_its_own(void **s)
{
	assert_string_equal(sb_err_text(0), "ok");
	assert_string_equal(sb_err_text(1), "unknown error");
	for (int a = SB_E_STOPPED; a <= 0; a++) {
		assert_string_not_equal(sb_err_text(a), "unknown error");
		for (int b = SB_E_STOPPED; b < a; b++)
			assert_string_not_equal(sb_err_text(a), sb_err_text(b));
	}
	assert_string_equal(sb_err_text(SB_E_STOPPED - 1), "unknown error"); /* one more error: name it here */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(addresses_are_read_with_and_without_a_port),
	        cmocka_unit_test(networks_hold_what_their_prefix_says),
	        cmocka_unit_test(every_error_has_a_text_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
