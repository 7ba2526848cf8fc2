#include "engine/config/cli_rows.h"

#include <string.h>

/* Options of EAL that may stand first; with arg they take the next word when it is not behind a =.
 * (DPDK 22.11. -c, -n, -r, -s and -v are EAL's too, but tcpdump's as well: see eal_takes.) */
static const struct {
	const char *name;
	bool arg;
} options[] = {
	{"-a", true},
	{"-b", true},
	{"-d", true},
	{"-l", true},
	{"-m", true},
	{"-S", true},
	{"--allow", true},
	{"--base-virtaddr", true},
	{"--block", true},
	{"--create-uio-dev", false},
	{"--file-prefix", true},
	{"--force-max-simd-bitwidth", true},
	{"--huge-dir", true},
	{"--huge-unlink", false},
	{"--huge-worker-stack", false},
	{"--in-memory", false},
	{"--iova-mode", true},
	{"--lcores", true},
	{"--legacy-mem", false},
	{"--main-lcore", true},
	{"--match-allocations", false},
	{"--mbuf-pool-ops-name", true},
	{"--no-hpet", false},
	{"--no-huge", false},
	{"--no-pci", false},
	{"--no-shconf", false},
	{"--no-telemetry", false},
	{"--proc-type", true},
	{"--single-file-segments", false},
	{"--socket-limit", true},
	{"--socket-mem", true},
	{"--syslog", true},
	{"--telemetry", false},
	{"--trace", true},
	{"--trace-bufsz", true},
	{"--trace-dir", true},
	{"--trace-mode", true},
	{"--vdev", true},
	{"--vfio-intr", true},
	{"--vfio-vf-token", true},
	{"--vmware-tsc-map", false},
};

static bool digits(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

/* eal_takes says how many of the n words at argv are one EAL option: 0, 1 or 2. -n with a number is
 * EAL's (memory channels), -c with 0x too (core mask). */
static int eal_takes(char *const argv[], int n)
{
	const char *word = argv[0];

	if (n > 1 && strcmp(word, "-n") == 0 && digits(argv[1]))
		return 2;
	if (n > 1 && strcmp(word, "-c") == 0 && strncmp(argv[1], "0x", 2) == 0)
		return 2;
	if (strncmp(word, "-n", 2) == 0 && digits(word + 2))
		return 1;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		size_t len = strlen(options[i].name);

		if (strncmp(word, options[i].name, len) != 0)
			continue;
		if (word[len] == '\0')
			return options[i].arg && n > 1 ? 2 : 1;
		if (word[len] == '=' || word[1] != '-') /* --vdev=…, -l0-1 */
			return 1;
	}
	return 0;
}

bool cli_eal(int argc, char *const argv[], int *end, int *first)
{
	int divider = 1, n;

	while (divider < argc && strcmp(argv[divider], "--") != 0)
		divider++;
	*end = divider;
	*first = divider + 1;
	if (divider < argc)
		return true;
	*end = 1;
	while (*end < argc && (n = eal_takes(argv + *end, argc - *end)) > 0)
		*end += n;
	*first = *end;
	return *end > 1;
}
