// SPDX-License-Identifier: GPL-2.0

#include "events.bpf.h"

ON_SWITCH
ON_WAKING
