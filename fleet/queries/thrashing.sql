-- SPDX-License-Identifier: GPL-2.0
--
-- Machines that thrash: how long threads slept for I/O in page faults, that is outside of any system call. A sleep goes from the
-- switch away to the next wake-up of the thread. Above 0.1 s a second for long, memory is short.
WITH sleeps AS (
    SELECT machine, prev_tid AS tid, time_ns
    FROM read_parquet(getvariable('traces') || '/machine=*/switch.parquet', hive_partitioning = true)
    WHERE io_wait = 1 AND prev_tid <> 0
), wakings AS (
    SELECT machine, wakee_tid AS tid, time_ns, wakee_call
    FROM read_parquet(getvariable('traces') || '/machine=*/waking.parquet', hive_partitioning = true)
), waits AS (
    SELECT sleeps.machine, wakings.time_ns - sleeps.time_ns AS ns, wakings.wakee_call = '' AS in_fault
    FROM sleeps ASOF JOIN wakings
      ON sleeps.machine = wakings.machine AND sleeps.tid = wakings.tid AND wakings.time_ns >= sleeps.time_ns
), spans AS (
    SELECT machine, (max(time_ns) - min(time_ns)) / 1e9 AS seconds
    FROM read_parquet(getvariable('traces') || '/machine=*/switch.parquet', hive_partitioning = true)
    GROUP BY machine
)
SELECT machine, round(seconds, 1) AS traced_s,
       count(*) FILTER (in_fault) AS faults_that_slept,
       round(coalesce(sum(ns) FILTER (in_fault), 0) / 1e9, 3) AS slept_in_faults_s,
       round(coalesce(sum(ns) FILTER (in_fault), 0) / 1e9 / seconds, 3) AS slept_in_faults_per_s,
       round(coalesce(sum(ns) FILTER (NOT in_fault), 0) / 1e9 / seconds, 3) AS slept_in_calls_per_s
FROM spans LEFT JOIN waits USING (machine)
GROUP BY machine, seconds
ORDER BY slept_in_faults_per_s DESC;
