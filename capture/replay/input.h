/* input: the bytes of a capture file: mapped whole, or streamed through one block
 * (compressed files, pipes). */
#pragma once

#include "capture/replay/unpack.h"

enum {
	INPUT_NEED_MAX = 512 * 1024, /* most that a parser may ask for in one piece */
};

enum input_state {
	INPUT_MORE,      /* bytes were added behind in->in.end */
	INPUT_NONE,      /* the pipe has nothing now */
	INPUT_EOF,       /* no more, and the stream ended as it should */
	INPUT_TRUNCATED, /* no more, but the compressed stream is not at its end */
	INPUT_DAMAGED,   /* the compressed stream is wrong; unpack.why says what */
	INPUT_FAILED,    /* read failed; rc is -errno */
};

/* input is read by parsers as in.p .. in.end, the bytes in memory that are not consumed yet.
 *
 * Owns     mapping, descriptor, block and state of unpacking; memory of input_open_memory is kept
 * Thread   one */
struct input {
	struct bytes in;
	uint64_t end_offset; /* of in.end in the (unpacked) file */
	uint64_t skip;       /* bytes to pass over before in.p is valid; input_drain serves it */
	int rc;

	bool whole;       /* everything is in memory: mapped or given */
	bool fd_can_wait; /* a pipe or a terminal: ask poll before reading */
	bool raw_eof;
	int fd;           /* -1: none */
	struct bytes map; /* plain file or memory, empty otherwise */
	bool map_owned;
	uint8_t *block;
	struct bytes raw; /* compressed bytes not unpacked yet */
	uint8_t *raw_block;
	struct unpack unpack;
};

/* input_open opens a file; "-" is standard input. Plain regular files are mapped.
 *
 * Returns  0, or -errno with error written and nothing to close */
int input_open(struct input *in, const char *path, char error[256]);

/* input_open_memory reads from data, which is kept; compressed data are recognised. streamed: hand it out
 * through the block in pieces, as a pipe would.
 *
 * Returns  0, or -ENOMEM */
int input_open_memory(struct input *in, struct bytes data, bool streamed);

/* input_more brings more bytes. What in.in holds is kept but may move: pointers into it are
 * invalid. The caller holds at most INPUT_NEED_MAX unread bytes. */
enum input_state input_more(struct input *in);

/* input_drain passes over what skip asks for, as far as bytes are in memory.
 * Returns true when skip is 0 */
static inline bool input_drain(struct input *in)
{
	uint64_t have = bytes_len(in->in), take = in->skip < have ? in->skip : have;

	in->in.p += take;
	in->skip -= take;
	return in->skip == 0;
}

/* input_offset is where the next unread byte stands in the (unpacked) file. */
static inline uint64_t input_offset(const struct input *in)
{
	return in->end_offset - bytes_len(in->in) + in->skip;
}

/* input_rewind starts again from the first byte.
 * Returns  0, or -ESPIPE for a pipe */
int input_rewind(struct input *in);

void input_close(struct input *in);
