/* libjpeg reports errors by a callback that may not return, so it jumps: every call of it that may fail is inside one
 * of the two functions with setjmp here, whose locals do not change between setjmp and the jump. */
#include "io/jpeg.h"

#include <limits.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h> /* after stdio.h, whose FILE it wants */

#include <jerror.h> /* after jpeglib.h, on whose version its codes depend */

#include "base/alloc.h"

#define MOST_SCANS 100 /* of a progressive picture: files that only burn time have thousands */

typedef struct job {
  struct jpeg_error_mgr errors; /* first: libjpeg hands back its address */
  struct jpeg_progress_mgr progress;
  jmp_buf back;
  const char *name;
  size_t limit;
  kl_image *image;
  bool no_memory, failed; /* failed: the message slot has the words */
  char words[JMSG_LENGTH_MAX];
  unsigned char *row; /* a row of CMYK */
  /* writing */
  struct jpeg_destination_mgr destination;
  kl_buffer *out;
} job;

static void on_error(j_common_ptr c) {
  job *j = (job *)c->err;
  c->err->format_message(c, j->words);
  j->no_memory = j->no_memory || c->err->msg_code == JERR_OUT_OF_MEMORY;
  longjmp(j->back, 1);
}

/* Warnings after which samples are guesses. */
static bool loses_samples(int code) {
  switch (code) {
    case JWRN_ARITH_BAD_CODE:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC:
    case JWRN_NOT_SEQUENTIAL:
      return true;
    default:
      return false;
  }
}

static void on_message(j_common_ptr c, int level) {
  if (level < 0 && loses_samples(c->err->msg_code)) {
    on_error(c);
  }
}

static void print_nothing(j_common_ptr c) { (void)c; }

static void watch_scans(j_common_ptr c) {
  job *j = (job *)c->err;
  int scan = ((j_decompress_ptr)c)->input_scan_number;
  if (scan > MOST_SCANS) {
    snprintf(j->words, sizeof j->words, "at most %d scans expected", MOST_SCANS);
    longjmp(j->back, 1);
  }
}

static struct jpeg_error_mgr *set_errors(job *j) {
  struct jpeg_error_mgr *errors = jpeg_std_error(&j->errors);
  errors->error_exit = on_error;
  errors->emit_message = on_message;
  errors->output_message = print_nothing;
  return errors;
}

/* Ink to light.  Files with Adobe's marker hold it inverted, and those are nearly all. */
static void convert_cmyk(const unsigned char *from, unsigned char *to, int64_t width, bool inverted) {
  for (int64_t i = 0; i < width; i++, from += 4, to += 3) {
    unsigned k = inverted ? from[3] : 255u - from[3];
    for (int c = 0; c < 3; c++) {
      unsigned v = inverted ? from[c] : 255u - from[c];
      to[c] = (unsigned char)((v * k + 127) / 255);
    }
  }
}

static void read_rows(struct jpeg_decompress_struct *d, job *j) {
  size_t width = (size_t)j->image->width * (size_t)j->image->channels;
  while (d->output_scanline < d->output_height) {
    unsigned char *to = (unsigned char *)j->image->samples.data + d->output_scanline * width;
    JSAMPROW row = j->row != NULL ? j->row : to;
    if (jpeg_read_scanlines(d, &row, 1) == 1 && j->row != NULL) {
      convert_cmyk(j->row, to, j->image->width, d->saw_Adobe_marker);
    }
  }
}

static kl_status read_picture(struct jpeg_decompress_struct *d, job *j, const void *data, size_t size) {
  if (setjmp(j->back) != 0) {
    return j->failed ? KL_ENOMEM
           : j->no_memory
               ? kl_fail(KL_ENOMEM, "%s: out of memory for reading JPEG", j->name)
               : kl_fail(KL_EIO, "%s: damaged or cut off JPEG file of %zu bytes: %s", j->name, size, j->words);
  }
  jpeg_create_decompress(d);
  j->progress.progress_monitor = watch_scans;
  d->progress = &j->progress;
  jpeg_mem_src(d, data, (unsigned long)size);
  jpeg_read_header(d, TRUE);
  bool cmyk = d->jpeg_color_space == JCS_CMYK || d->jpeg_color_space == JCS_YCCK;
  bool grey = d->jpeg_color_space == JCS_GRAYSCALE;
  d->out_color_space = cmyk ? JCS_CMYK : grey ? JCS_GRAYSCALE : JCS_RGB;
  KL_TRY(kl_image_set_size(j->name, d->image_height, d->image_width, grey ? 1 : 3, j->limit, j->image));
  KL_TRY(kl_image_make_room(j->image));
  if (cmyk && (j->row = kl_alloc((size_t)d->image_width * 4)) == NULL) {
    return KL_ENOMEM;
  }
  jpeg_start_decompress(d);
  read_rows(d, j);
  jpeg_finish_decompress(d);
  return KL_OK;
}

kl_status kl_jpeg_decode(const char *name, const void *data, size_t size, size_t limit, kl_image *out) {
  struct jpeg_decompress_struct d = {0};
  job j = {.name = name, .limit = limit, .image = out};
  d.err = set_errors(&j);
  kl_status status = size > ULONG_MAX ? kl_fail(KL_EIO, "%s: too large for a JPEG file: %zu bytes", name, size)
                                      : read_picture(&d, &j, data, size);
  kl_free(j.row, j.row == NULL ? 0 : (size_t)d.image_width * 4);
  jpeg_destroy_decompress(&d);
  if (status != KL_OK) {
    kl_image_release(out);
  }
  return status;
}

/* Writing: libjpeg fills the buffer's unused end and asks for more. */

#define PIECE ((size_t)64 << 10)

static void give_room(j_compress_ptr c) {
  job *j = (job *)c->err;
  if (kl_buffer_reserve(j->out, j->out->size + PIECE) != KL_OK) {
    j->failed = true;
    longjmp(j->back, 1);
  }
  j->destination.next_output_byte = (JOCTET *)j->out->data + j->out->size;
  j->destination.free_in_buffer = j->out->capacity - j->out->size;
}

static boolean take_full(j_compress_ptr c) {
  job *j = (job *)c->err;
  j->out->size = j->out->capacity; /* libjpeg calls when no byte is free, whatever free_in_buffer says */
  give_room(c);
  return TRUE;
}

static void take_last(j_compress_ptr c) {
  job *j = (job *)c->err;
  j->out->size = j->out->capacity - j->destination.free_in_buffer;
}

static kl_status write_picture(struct jpeg_compress_struct *c, job *j, const unsigned char *samples, int quality) {
  if (setjmp(j->back) != 0) {
    return j->failed      ? KL_ENOMEM
           : j->no_memory ? kl_fail(KL_ENOMEM, "out of memory for writing JPEG")
                          : kl_fail(KL_EVALUE, "JPEG cannot be written: %s", j->words);
  }
  jpeg_create_compress(c);
  j->destination.init_destination = give_room;
  j->destination.empty_output_buffer = take_full;
  j->destination.term_destination = take_last;
  c->dest = &j->destination;
  c->image_height = (JDIMENSION)j->image->height;
  c->image_width = (JDIMENSION)j->image->width;
  c->input_components = j->image->channels;
  c->in_color_space = j->image->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(c);
  jpeg_set_quality(c, quality, TRUE);
  jpeg_start_compress(c, TRUE);
  while (c->next_scanline < c->image_height) {
    JSAMPROW row = (JSAMPROW)(samples + (int64_t)c->next_scanline * j->image->width * j->image->channels);
    jpeg_write_scanlines(c, &row, 1);
  }
  jpeg_finish_compress(c);
  return KL_OK;
}

kl_status kl_jpeg_encode(const unsigned char *samples, int64_t height, int64_t width, int channels, int quality,
                         kl_buffer *out) {
  if (height < 1 || width < 1 || height > 65500 || width > 65500) {
    return kl_fail(KL_EVALUE, "a JPEG file has 1 to 65500 pixels a side, got %lld x %lld", (long long)height,
                   (long long)width);
  }
  struct jpeg_compress_struct c = {0};
  kl_image image = {.height = height, .width = width, .channels = channels};
  job j = {.image = &image, .out = out};
  c.err = set_errors(&j);
  kl_status status = write_picture(&c, &j, samples, quality);
  jpeg_destroy_compress(&c);
  if (status != KL_OK) {
    kl_buffer_release(out);
  }
  return status;
}
