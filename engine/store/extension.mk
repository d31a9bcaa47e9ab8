# What lunette_sqlite.so is made of: the SQL side of the store, without opening or writing it.
EXTENSION_SOURCES = $(addprefix engine/store/,extension.c scalars.c pairs.c topk.c aggregates.c each.c \
                    element.c element_plan.c bands.c importance.c reader.c block.c names.c)
