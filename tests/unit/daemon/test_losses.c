/* SPDX-License-Identifier: BSD-3-Clause */
/* What a port's driver lost before we saw it, as it comes to be counted: rx_missed, rx_no_buffer. The driver is this
 * file. */
#include "bench.h"

#define PORTS 2

static struct {
	uint64_t missed, no_buffer;
	int err;
	unsigned asked;
} driver[PORTS];

/* In the place of DPDK's. */
int rte_eth_stats_get(uint16_t port, struct rte_eth_stats *s)
{
	assert_in_range(port, 0, PORTS - 1);
	driver[port].asked++;
	memset(s, 0xee, sizeof *s); /* all else that it counts is none of this */
	s->imissed = driver[port].missed;
	s->rx_nombuf = driver[port].no_buffer;
	return driver[port].err;
}

static struct sb_dataplane *dp;

static int begin(void **state)
{
	dp = aligned_alloc(64, (sizeof *dp + 63) & ~(size_t)63);
	assert_non_null(dp);
	memset(dp, 0, sizeof *dp);
	memset(driver, 0, sizeof driver);
	dp->cfg.n_ports = PORTS;
	for (uint16_t i = 0; i < PORTS; i++)
		dp->port[i].id = i;
	return 0;
}

static int end(void **state)
{
	free(dp);
	return 0;
}

/* Control looks again when so much time has passed. What it counted since begin is the only thing counted. */
static void look_after(uint64_t us)
{
	const struct sb_exception_ops none = {0};
	dp->looked_us -= us;
	sb_dataplane_exceptions(dp, &none, 1);
}

static void assert_counted(uint64_t missed, uint64_t no_buffer)
{
	const struct sb_counters *c = sb_dataplane_counters(dp, dp->cfg.n_workers); /* control's */
	for (unsigned i = 0; i < SB_COUNTERS; i++)
		assert_int_equal(sb_counter_get(c, (enum sb_counter)i), i == SB_C_rx_missed      ? missed
		                                                        : i == SB_C_rx_no_buffer ? no_buffer
		                                                                                 : 0);
}

static void each_loss_is_counted_once_whichever_port_it_was(void **state)
{
	driver[0].missed = 7;
	driver[1].missed = 100;
	driver[1].no_buffer = 3;
	look_after(0);
	assert_counted(107, 3);
	look_after(1000000);
	assert_counted(107, 3);
	driver[0].missed = 9;
	driver[0].no_buffer = 1;
	look_after(1000000);
	assert_counted(109, 4);
}

static void drivers_are_asked_twice_a_second(void **state)
{
	look_after(0);
	assert_int_equal(driver[0].asked, 1);
	uint64_t begun_us;
	unsigned asked;
	do { /* again if half a second went by meanwhile */
		begun_us = sb_dataplane_now_us();
		look_after(500000);
		asked = driver[0].asked;
		look_after(0);
	} while (sb_dataplane_now_us() - begun_us >= 500000);
	assert_int_equal(driver[0].asked, asked);
	look_after(500000);
	assert_int_equal(driver[0].asked, asked + 1);
}

/* A start may set a driver's figures back to nothing: what it counts from there on is all new. */
static void figures_that_begin_anew_are_all_new(void **state)
{
	driver[0].missed = 50;
	driver[0].no_buffer = 20;
	look_after(0);
	driver[0].missed = 4;
	driver[0].no_buffer = 0;
	look_after(1000000);
	assert_counted(54, 20);
	driver[0].missed = 5;
	look_after(1000000);
	assert_counted(55, 20);
}

static void driver_that_has_no_figures_is_not_believed(void **state)
{
	driver[0].missed = driver[0].no_buffer = 1000;
	driver[0].err = -ENOTSUP;
	driver[1].missed = 2;
	look_after(0);
	assert_counted(2, 0);
	driver[0].err = 0; /* and loses nothing by it */
	look_after(1000000);
	assert_counted(1002, 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(each_loss_is_counted_once_whichever_port_it_was),
	        TEST(drivers_are_asked_twice_a_second),
	        TEST(figures_that_begin_anew_are_all_new),
	        TEST(driver_that_has_no_figures_is_not_believed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
