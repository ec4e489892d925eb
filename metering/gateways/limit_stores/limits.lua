-- Takes one claim, or only checks it: every throttle and every quota in one atomic step, all or nothing. Or adds ingested
-- amounts to counters; an absent counter stays absent, and is summed up from the ledger when it is needed.
--
-- KEYS  the buckets of the throttles, then for each counter the hash of its period
-- ARGV  'take', 'peek' or 'add'; now in microseconds; cost in micro-tokens; when what is held expires, or ''; number of
--       buckets; number of counters;
--       per bucket: rate, capacity in micro-tokens
--       per counter: field, marker or '', what is used, what is held, '1' if it may refuse, limit
-- While a marker is there, none of its subjects' counters is missing: one that is absent is 0.
-- A counter is a text: what is used, what is held, and when the first part of that expires, in microseconds, or nothing.
-- After that moment the counter is missing: the reservations are summed up again.
-- Returns the outcome ('missing', 'refused' or 'allowed'), then each bucket and each counter as they were before.
--
-- Quantities have more digits than Lua's numbers hold exactly, so they are texts of 70 digits, added 14 at a time: units of
-- 10^-30 plus an offset that keeps them positive (metering/gateways/limit_stores/redis.py). Texts of one length compare as numbers.
-- Micro-tokens and microseconds stay below 2^53 (metering/domain/limits.py).

local DIGITS_AT_ONCE, PARTS, BASE = 14, 5, 1e14
local NOTHING = '5' .. string.rep('0', 69) .. string.rep('0', 70)

local function plus(one, other)
  local parts, carry = {}, 0
  for part = PARTS, 1, -1 do
    local first, last = (part - 1) * DIGITS_AT_ONCE + 1, part * DIGITS_AT_ONCE
    local sum = tonumber(string.sub(one, first, last)) + tonumber(string.sub(other, first, last)) + carry
    carry = 0
    if sum >= BASE then
      sum, carry = sum - BASE, 1
    end
    parts[part] = string.format('%014.0f', sum)
  end
  return table.concat(parts)
end

local mode, now, cost, held_until = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local buckets, counters = tonumber(ARGV[5]), tonumber(ARGV[6])
local answer, writes, is_refused, is_missing = {'allowed'}, {}, false, false
local argument = 7

for number = 1, buckets do
  local rate, capacity = tonumber(ARGV[argument]), tonumber(ARGV[argument + 1])
  argument = argument + 2
  local stored = redis.call('GET', KEYS[number])
  local tokens, updated = capacity, now
  if stored then
    local left, at = string.match(stored, '^(%d+):(%d+)$')
    tokens, updated = math.min(tonumber(left), capacity), tonumber(at)
    local until_full = math.ceil((capacity - tokens) / rate)
    local elapsed = math.max(now - updated, 0)
    tokens = math.min(tokens + math.min(elapsed, until_full) * rate, capacity)
    updated = math.max(now, updated)
  end
  is_refused = is_refused or tokens < cost
  answer[#answer + 1] = stored
  -- A bucket that is full again is the same as none; a minute more covers clocks that differ.
  local keep_seconds = math.ceil((capacity - tokens + cost) / rate / 1e6) + 60
  writes[#writes + 1] = {'SET', KEYS[number], string.format('%.0f:%.0f', tokens - cost, updated), 'EX', keep_seconds}
end

for number = 1, counters do
  local field, marker, use, hold = ARGV[argument], ARGV[argument + 1], ARGV[argument + 2], ARGV[argument + 3]
  local may_refuse, limit = ARGV[argument + 4], ARGV[argument + 5]
  argument = argument + 6
  local key = KEYS[buckets + number]
  local stored = redis.call('HGET', key, field)
  if not stored and marker ~= '' and redis.call('HEXISTS', key, marker) == 1 then
    stored = NOTHING
  end
  local level = false
  if stored then
    local used, held, expiry = string.sub(stored, 1, 70), string.sub(stored, 71, 140), string.sub(stored, 141)
    if expiry ~= '' and tonumber(expiry) <= now and mode ~= 'add' then
      is_missing = true
    else
      level = plus(used, held)
      local used_after, held_after = plus(used, use), plus(held, hold)
      is_refused = is_refused or (may_refuse == '1' and plus(used_after, held_after) > limit)
      if held_until ~= '' and (expiry == '' or tonumber(held_until) < tonumber(expiry)) then
        expiry = held_until
      end
      writes[#writes + 1] = {'HSET', key, field, used_after .. held_after .. expiry}
    end
  else
    is_missing = true
  end
  answer[#answer + 1] = level
end

if is_missing and mode ~= 'add' then
  answer[1] = 'missing'
elseif is_refused then
  answer[1] = 'refused'
elseif mode ~= 'peek' then
  for _, write in ipairs(writes) do
    redis.call(unpack(write))
  end
end
return answer
