// SPDX-License-Identifier: GPL-2.0
/*
 * Mistakes made on purpose by C code; see planted.rs. Compiled only where the build asks for a fault by name, which then
 * is the macro that is set.
 */
#include <linux/list.h>
#include <linux/printk.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/timer.h>

void mp3_plant(void);

#if defined(MP3_PLANT_undefined_shift)

/* UBSAN: a shift by more bits than there are. */
void mp3_plant(void)
{
	volatile unsigned int bits = 40;

	pr_info("mp3: %x\n", 1u << bits);
}

#elif defined(MP3_PLANT_freed_timer)

static void fire(struct timer_list *timer)
{
}

/* DEBUG_OBJECTS: a timer that is armed is freed. */
void mp3_plant(void)
{
	struct timer_list *timer = kzalloc_obj(*timer);

	if (!timer)
		return;
	timer_setup(timer, fire, 0);
	mod_timer(timer, jiffies + 1000 * HZ);
	kfree(timer);
}

#elif defined(MP3_PLANT_corrupt_list)

/* DEBUG_LIST: an entry is on a list twice. */
void mp3_plant(void)
{
	LIST_HEAD(list);
	LIST_HEAD(entry);

	list_add(&entry, &list);
	list_add(&entry, &list);
}

#elif defined(MP3_PLANT_refcount)

/* refcount_t: a reference is put that is not held. */
void mp3_plant(void)
{
	refcount_t count = REFCOUNT_INIT(1);

	if (refcount_dec_and_test(&count))
		refcount_inc(&count);
}

#else

void mp3_plant(void)
{
}

#endif
