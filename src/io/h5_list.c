/* Listing what is in a file: the children of a group, and all datasets by walking the groups. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "io/h5_internal.h"

static kl_status append(kl_h5_list *list, const kl_h5_item *item) {
  KL_TRY(kl_buffer_append(&list->block, item, sizeof *item));
  list->items = (kl_h5_item *)(void *)list->block.data;
  list->count++;
  return KL_OK;
}

void kl_h5_list_release(kl_h5_list *list) {
  for (size_t i = 0; i < list->count; i++) {
    kl_h5_free_path(list->items[i].path);
    kl_h5_free_path(list->items[i].problem);
  }
  kl_buffer_release(&list->block);
  *list = (kl_h5_list){0};
}

static int compare(const void *a, const void *b) {
  return strcmp(((const kl_h5_item *)a)->path, ((const kl_h5_item *)b)->path);
}

static void sort(kl_h5_list *list) {
  if (list->count > 1) {
    qsort(list->items, list->count, sizeof *list->items, compare);
  }
}

/* The names in a group, which must be allowed, all of them; they are sorted. */
static kl_status check_names(const kl_h5_file *f, const kl_h5_object *group, const char *path) {
  const kl_h5_link *links = kl_h5_toc_links(&f->toc, group);
  if (group->problem != NULL) {
    return kl_fail(KL_EIO, "%s: %.300s: HDF5: %.300s", f->name, path, group->problem);
  }
  for (size_t i = 0; i < group->links; i++) {
    const char *problem = kl_h5_name_problem(links[i].name, links[i].size);
    if (problem != NULL) {
      return kl_fail(KL_EIO, "%s: %.300s: a name in this group %s", f->name, path, problem);
    }
  }
  return !group->more ? KL_OK
                      : kl_fail(KL_EIO, "%s: %.300s: at most %d names in a group expected, found more", f->name, path,
                                KL_H5_MAX_OBJECTS);
}

static kl_status list_names(const kl_h5_file *f, const kl_h5_object *group, const char *path, kl_h5_list *out) {
  const kl_h5_link *links = kl_h5_toc_links(&f->toc, group);
  KL_TRY(check_names(f, group, path));
  for (size_t i = 0; i < group->links; i++) {
    kl_h5_item item = {.path = kl_h5_new_text(links[i].name, links[i].size)};
    kl_status status = item.path == NULL ? KL_ENOMEM : append(out, &item);
    if (status != KL_OK) {
      kl_h5_free_path(item.path);
      return status;
    }
  }
  return KL_OK;
}

kl_status kl_h5_list_children(kl_h5_file *f, const char *path, kl_h5_list *out) {
  char *checked;
  const kl_h5_object *o;
  *out = (kl_h5_list){0};
  KL_TRY(kl_h5_new_path(f->name, path, &checked));
  kl_status status = kl_h5_find_object(f, checked, &o);
  if (status == KL_OK) {
    status = o != NULL && o->kind == KL_H5_GROUP ? list_names(f, o, checked, out)
                                                 : kl_fail(KL_EIO, "%s: %.300s: a group expected, found %s", f->name,
                                                           checked, o != NULL ? "a dataset" : "nothing there");
  }
  kl_h5_free_path(checked);
  if (status != KL_OK) {
    kl_h5_list_release(out);
  }
  return status;
}

/* A walk over all groups.  Hard links may form a ring: depth and number of objects end it. */
typedef struct walk {
  const kl_h5_file *f;
  kl_h5_list *list;
  size_t objects;
} walk;

static kl_status visit_group(walk *w, const kl_h5_object *group, const char *path, int depth);

/* `path` is taken over. */
static kl_status visit_dataset(walk *w, const kl_h5_object *o, char *path) {
  kl_h5_dataset d;
  kl_h5_item item = {.path = path};
  kl_status status = kl_h5_check_dataset(w->f, path, o, &d);
  if (status == KL_OK) {
    item.dtype = kl_element_dtype(d.element);
    item.shape = d.shape;
  } else if (status != KL_ENOMEM) {
    const char *message = kl_error_message();
    item.problem = kl_h5_new_text(message, strlen(message));
    status = item.problem == NULL ? KL_ENOMEM : KL_OK;
  }
  if (status == KL_OK) {
    status = append(w->list, &item);
  }
  if (status != KL_OK) {
    kl_h5_free_path(item.path);
    kl_h5_free_path(item.problem);
  }
  return status;
}

static kl_status visit_child(walk *w, const kl_h5_link *link, const char *parent, int depth) {
  size_t size = strlen(parent) + (parent[1] != '\0');
  if (depth == KL_H5_MAX_DEPTH) {
    return kl_fail(KL_EIO, "%s: %.300s: at most %d names deep expected, found more", w->f->name, parent,
                   KL_H5_MAX_DEPTH);
  }
  if (++w->objects > KL_H5_MAX_OBJECTS) {
    return kl_fail(KL_EIO, "%s: at most %d groups and datasets expected, found more", w->f->name, KL_H5_MAX_OBJECTS);
  }
  char *path = kl_alloc(size + link->size + 1);
  if (path == NULL) {
    return KL_ENOMEM;
  }
  memcpy(path, parent, size);
  path[size - 1] = '/';
  memcpy(path + size, link->name, link->size + 1);
  const kl_h5_object *o;
  kl_status status = kl_h5_follow(w->f, link, path, &o);
  if (status == KL_OK && o->kind == KL_H5_DATASET) {
    return visit_dataset(w, o, path);
  }
  if (status == KL_OK) {
    status = visit_group(w, o, path, depth + 1);
  }
  kl_h5_free_path(path);
  return status;
}

static kl_status visit_group(walk *w, const kl_h5_object *group, const char *path, int depth) {
  const kl_h5_link *links = kl_h5_toc_links(&w->f->toc, group);
  KL_TRY(check_names(w->f, group, path));
  for (size_t i = 0; i < group->links; i++) {
    KL_TRY(visit_child(w, &links[i], path, depth));
  }
  return KL_OK;
}

kl_status kl_h5_list_datasets(kl_h5_file *f, kl_h5_list *out) {
  *out = (kl_h5_list){0};
  walk w = {.f = f, .list = out};
  const kl_h5_object *root;
  KL_TRY(kl_h5_find_object(f, "/", &root));
  kl_status status = visit_group(&w, root, "/", 0);
  sort(out);
  if (status != KL_OK) {
    kl_h5_list_release(out);
  }
  return status;
}
