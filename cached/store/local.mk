# The engine. It links the core only, so that nothing above it can creep in;
# of the protocol it uses one header of constants.
noinst_LIBRARIES += libmfstore.a
libmfstore_a_SOURCES = \
	cached/store/assoc.c cached/store/assoc.h \
	cached/store/bands.c cached/store/bands.h \
	cached/store/bucket.h \
	cached/store/cleaner.c \
	cached/store/engine.h \
	cached/store/epoch.c cached/store/epoch.h \
	cached/store/heat.c cached/store/heat.h \
	cached/store/image_items.c cached/store/image_items.h \
	cached/store/image_segment.c cached/store/image_segment.h \
	cached/store/item.c cached/store/item.h \
	cached/store/lookup.c \
	cached/store/memory.c \
	cached/store/memory_file.c cached/store/memory_file.h \
	cached/store/parallel.c cached/store/parallel.h \
	cached/store/places.c cached/store/places.h \
	cached/store/purge.c cached/store/purge.h \
	cached/store/segments.c cached/store/segments.h \
	cached/store/shard.h \
	cached/store/store.c cached/store/store.h \
	cached/store/store_change.c \
	cached/store/store_group.c \
	cached/store/store_image.c cached/store/store_image.h \
	cached/store/store_read.c \
	cached/store/store_sweep.c \
	cached/store/store_write.c
