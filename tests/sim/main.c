/* feed-sim: exchange ► bytes ► lines ► wire, and the truth beside them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/channel.h"

struct sim {
	struct options options;
	struct wire wire;
	struct files files;
	struct channel *channels;
	struct session session; /* with channel 0 */
};

static void session_init(struct sim *sim)
{
	const struct options *o = &sim->options;
	struct session *s = &sim->session;

	s->ex = &sim->channels[0].ex;
	s->truth = &sim->files.truth_fix;
	s->conf = (struct session_conf){.client = "BROKER7",
		.gateway = "SIMX",
		.user = o->fix_user,
		.password = o->fix_password,
		.secret = o->fix_secret,
		.rate = o->fix_rate,
		.heartbeat_s = o->fix_heartbeat};
	s->tcp.wire = &sim->wire;
	s->tcp.end[0].addr = (struct addr){{2, 0, 0, 0, 2, 1}, 0x0ac80a15, 41234};
	s->tcp.end[1].addr = (struct addr){{2, 0, 0, 0, 2, 2}, 0x0ac80a02, (uint16_t)o->fix_port};
	rng_seed(&s->tcp.rng, o->seed, 5);
	rng_seed(&s->rng, o->seed, 6);
	session_open(s, o->start_ns + 1000000);
}

/* run does whatever comes next in simulated time until all channels and the session have ended. */
static void run(struct sim *sim)
{
	for (;;) {
		uint64_t due = session_due(&sim->session);
		struct channel *next = NULL;

		for (uint32_t i = 0; i < sim->options.channels; i++) {
			struct channel *channel = &sim->channels[i];

			if (channel_due(channel) < due) {
				due = channel_due(channel);
				next = channel;
			}
		}
		if (due == UINT64_MAX)
			break;
		wire_flush(&sim->wire, due - 1);
		if (next) {
			channel_step(next, due);
		} else {
			session_step(&sim->session, due);
			channel_event_end(&sim->channels[0]);
		}
		if (sim->wire.error)
			break;
	}
	wire_flush(&sim->wire, UINT64_MAX);
}

static int open_file(struct out *out, const char *path, const char *option)
{
	int rc = path ? out_open(out, path) : 0;

	if (rc < 0)
		fprintf(stderr, "feed-sim: %s %s: %s\n", option, path, strerror(-rc));
	return rc;
}

static int sim_open(struct sim *sim)
{
	const struct options *o = &sim->options;
	struct files *files = &sim->files;
	const char *pcap = o->pcap ? o->pcap : o->pcap_us;
	int rc = 0;

	wire_init(&sim->wire);
	sim->wire.flat_out = o->flat_out;
	if (open_file(&files->truth, o->truth, "--truth") < 0 ||
		open_file(&files->truth_mdp3, o->truth_mdp3, "--truth-mdp3") < 0 ||
		open_file(&files->truth_fix, o->truth_fix, "--truth-fix") < 0 ||
		open_file(&files->truth_wire, o->truth_wire, "--truth-wire") < 0 ||
		open_file(&files->books, o->books, "--books") < 0 ||
		open_file(&files->binary, o->binaryfile, "--binaryfile") < 0)
		return -EIO;
	if (pcap && (rc = wire_pcap(&sim->wire, pcap, o->pcap_us)) < 0)
		fprintf(stderr, "feed-sim: %s %s: %s\n", o->pcap ? "--pcap" : "--pcap-us", pcap,
			strerror(-rc));
	else if (o->live && (rc = wire_live(&sim->wire, o->live, o->live_raw)) < 0)
		fprintf(stderr, "feed-sim: --live %s: %s\n", o->live, strerror(-rc));
	if (rc < 0)
		return rc;
	sim->channels = calloc(o->channels, sizeof(*sim->channels));
	for (uint32_t i = 0; sim->channels && i < o->channels && rc == 0; i++)
		rc = channel_init(&sim->channels[i], o, &sim->wire, files, i,
			i || o->no_fix ? NULL : &sim->session);
	if (!sim->channels || rc < 0) {
		fputs("feed-sim: out of memory\n", stderr);
		return -ENOMEM;
	}
	if (!o->no_fix)
		session_init(sim);
	return 0;
}

static int close_file(struct out *out, const char *option)
{
	int rc = out_close(out);

	if (rc < 0)
		fprintf(stderr, "feed-sim: %s: %s: the file is not whole\n", option, strerror(-rc));
	return rc;
}

/* sim_close writes the books and ends all files. Returns 0, or -1 after a message. */
static int sim_close(struct sim *sim)
{
	struct files *files = &sim->files;
	int rc = sim->wire.error;

	if (rc < 0)
		fprintf(stderr, "feed-sim: --live %s: sending: %s\n", sim->options.live,
			strerror(-rc));
	for (uint32_t i = 0; i < sim->options.channels && files->books.file; i++)
		truth_books(&files->books, i, &sim->channels[i].ex, sim->channels[i].mdp3.books);
	rc |= close_file(&files->truth, "--truth");
	rc |= close_file(&files->truth_mdp3, "--truth-mdp3");
	rc |= close_file(&files->truth_fix, "--truth-fix");
	rc |= close_file(&files->truth_wire, "--truth-wire");
	rc |= close_file(&files->books, "--books");
	rc |= close_file(&files->binary, "--binaryfile");
	rc |= close_file(&sim->wire.pcap, "--pcap");
	return rc < 0 ? -1 : 0;
}

static void summary(const struct sim *sim)
{
	const struct exchange *ex = &sim->channels[0].ex;
	uint64_t messages = 0;

	for (uint32_t i = 0; i < sim->options.channels; i++)
		messages += sim->channels[i].ex.messages;
	fprintf(stderr,
		"feed-sim: %lu messages, %lu FIX messages, %lu packets, %lu bytes\nfeed-sim: "
		"channel 0:",
		messages, sim->session.messages, sim->wire.packets, sim->wire.bytes);
	for (int type = 0; type < 128; type++)
		if (ex->by_type[type])
			fprintf(stderr, " %c %lu", type, ex->by_type[type]);
	fputc('\n', stderr);
}

int main(int argc, char **argv)
{
	static struct sim sim;
	int rc = options_parse(&sim.options, argc, argv);

	if (rc)
		return rc < 0 ? 2 : 0;
	if (sim.options.print_feeds) {
		for (uint32_t i = 0; i < sim.options.channels; i++)
			channel_print_feeds(&sim.options, i, stdout);
		return 0;
	}
	if (sim_open(&sim) < 0)
		return 1;
	run(&sim);
	rc = sim_close(&sim);
	if (!sim.options.quiet)
		summary(&sim);
	for (uint32_t i = 0; i < sim.options.channels; i++)
		channel_free(&sim.channels[i]);
	free(sim.channels);
	session_free(&sim.session);
	wire_free(&sim.wire);
	return rc < 0 ? 1 : 0;
}
