/* libpng reports errors by a jump: every call of it that may fail is inside one of the two functions with setjmp here,
 * whose locals do not change between setjmp and the jump. */
#include "io/png.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define MOST_INFLATED 1040 /* bytes that deflate can make of one, rounded up */

/* What libpng's callbacks share with their caller. */
typedef struct job {
  const char *name;
  const unsigned char *data; /* being read */
  size_t size, at;
  size_t limit;
  kl_image *image;
  kl_buffer *out; /* being written */
  bool cut;       /* reading went beyond the end */
  bool no_memory; /* the message slot has the words */
  char words[128];
} job;

static void on_error(png_structp png, png_const_charp words) {
  job *j = png_get_error_ptr(png);
  snprintf(j->words, sizeof j->words, "%s", words);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp words) {
  (void)png;
  (void)words;
}

static void read_data(png_structp png, png_bytep to, size_t size) {
  job *j = png_get_io_ptr(png);
  if (size > j->size - j->at) {
    j->cut = true;
    png_error(png, "the file is cut off");
  }
  memcpy(to, j->data + j->at, size);
  j->at += size;
}

static void write_data(png_structp png, png_bytep data, size_t size) {
  job *j = png_get_io_ptr(png);
  if (kl_buffer_append(j->out, data, size) != KL_OK) {
    j->no_memory = true;
    png_error(png, "out of memory");
  }
}

static void flush_data(png_structp png) { (void)png; }

static kl_status fail_read(const job *j) {
  return j->cut ? kl_fail(KL_EIO, "%s: the PNG file is cut off after %zu bytes", j->name, j->size)
                : kl_fail(KL_EIO, "%s: damaged PNG file, before offset %zu: %s", j->name, j->at, j->words);
}

/* Asks libpng for 8 bits a sample and for colours instead of palettes. */
static int ask_for_samples(png_structp png, png_infop info) {
  int type = png_get_color_type(png, info);
  bool transparent = png_get_valid(png, info, PNG_INFO_tRNS) != 0;
  png_set_expand(png); /* palettes, fewer than 8 bits, transparent colours */
  png_set_scale_16(png);
  bool colours = (type & PNG_COLOR_MASK_COLOR) != 0, alpha = (type & PNG_COLOR_MASK_ALPHA) != 0 || transparent;
  return (colours ? 3 : 1) + (alpha ? 1 : 0);
}

/* Height, width, channels, and what libpng has to do on the way. */
static kl_status read_header(job *j, png_structp png, png_infop info) {
  if (setjmp(png_jmpbuf(png)) != 0) {
    return fail_read(j);
  }
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours are below, with words of their own */
  png_set_chunk_cache_max(png, 128);
  png_set_chunk_malloc_max(png, 8000000);
  /* nothing but the picture: text, profiles and times are more parser than use */
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, (png_const_bytep) "tRNS", 1);
  png_set_read_fn(png, j, read_data);
  png_read_info(png, info);
  size_t row = png_get_rowbytes(png, info), height = png_get_image_height(png, info);
  size_t width = png_get_image_width(png, info);
  int channels = ask_for_samples(png, info);
  KL_TRY(kl_image_set_size(j->name, height, width, channels, j->limit, j->image));
  /* before memory is asked for: can the file hold that many rows at all? */
  if (row * height / MOST_INFLATED > j->size) {
    return kl_fail(KL_EIO, "%s: the PNG file is cut off: %zu x %zu pixels cannot come from %zu bytes", j->name, height,
                   width, j->size);
  }
  return kl_image_make_room(j->image);
}

static kl_status read_rows(job *j, png_structp png, png_infop info, png_bytep *rows) {
  if (setjmp(png_jmpbuf(png)) != 0) {
    return fail_read(j);
  }
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  size_t row = png_get_rowbytes(png, info);
  if (row != (size_t)j->image->width * (size_t)j->image->channels) {
    return kl_fail(KL_EIO, "%s: unknown kind of PNG file: rows of %zu bytes", j->name, row);
  }
  for (int64_t i = 0; i < j->image->height; i++) {
    rows[i] = (png_bytep)j->image->samples.data + (size_t)i * row;
  }
  png_read_image(png, rows);
  png_read_end(png, NULL);
  return KL_OK;
}

static kl_status read_picture(job *j, png_structp png, png_infop info) {
  KL_TRY(read_header(j, png, info));
  size_t bytes = (size_t)j->image->height * sizeof(png_bytep);
  png_bytep *rows = kl_alloc(bytes);
  if (rows == NULL) {
    return KL_ENOMEM;
  }
  kl_status status = read_rows(j, png, info, rows);
  kl_free(rows, bytes);
  return status;
}

kl_status kl_png_decode(const char *name, const void *data, size_t size, size_t limit, kl_image *out) {
  job j = {.name = name, .data = data, .size = size, .limit = limit, .image = out};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &j, on_error, on_warning);
  png_infop info = png == NULL ? NULL : png_create_info_struct(png);
  kl_status status =
      info == NULL ? kl_fail(KL_ENOMEM, "%s: out of memory for reading PNG", name) : read_picture(&j, png, info);
  png_destroy_read_struct(&png, &info, NULL);
  if (status == KL_OK && j.at != size) {
    status = kl_fail(KL_EIO, "%s: the end of the PNG file expected at offset %zu, %zu more bytes found", name, j.at,
                     size - j.at);
  }
  if (status != KL_OK) {
    kl_image_release(out);
  }
  return status;
}

/* One picture, its rows given one by one. */
static kl_status write_picture(job *j, png_structp png, png_infop info, const unsigned char *samples,
                               const int64_t size[3], int compression) {
  static const int types[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGBA};
  if (setjmp(png_jmpbuf(png)) != 0) {
    return j->no_memory ? KL_ENOMEM : kl_fail(KL_EVALUE, "PNG cannot be written: %s", j->words);
  }
  png_set_write_fn(png, j, write_data, flush_data);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  if (compression >= 0) {
    png_set_compression_level(png, compression);
  }
  png_set_IHDR(png, info, (png_uint_32)size[1], (png_uint_32)size[0], 8, types[size[2] - 1], PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (int64_t i = 0; i < size[0]; i++) {
    png_write_row(png, samples + i * size[1] * size[2]);
  }
  png_write_end(png, NULL);
  return KL_OK;
}

kl_status kl_png_encode(const unsigned char *samples, int64_t height, int64_t width, int channels, int compression,
                        kl_buffer *out) {
  const int64_t size[3] = {height, width, channels};
  if (height < 1 || width < 1 || height > PNG_UINT_31_MAX || width > PNG_UINT_31_MAX) {
    return kl_fail(KL_EVALUE, "a PNG file has at least one pixel and fewer than 2^31 a side, got %lld x %lld",
                   (long long)height, (long long)width);
  }
  job j = {.out = out};
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &j, on_error, on_warning);
  png_infop info = png == NULL ? NULL : png_create_info_struct(png);
  kl_status status = info == NULL ? kl_fail(KL_ENOMEM, "out of memory for writing PNG")
                                  : write_picture(&j, png, info, samples, size, compression);
  png_destroy_write_struct(&png, &info);
  if (status != KL_OK) {
    kl_buffer_release(out);
  }
  return status;
}
