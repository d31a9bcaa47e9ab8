-- The difference of two texts, line by line, as `diff -u` shows it: a longest common subsequence
-- (Hunt and McIlroy 1976) of what is left between equal beginnings and ends. Cost: lines times lines
-- of that middle; where it is too large for that, the middle is shown as replaced.
local diff = {}

local AROUND = 2 -- unchanged lines shown beside a change
local LARGEST = 4000000

local function lines_of(text)
  local lines = {}
  for line in (text:gsub("\r\n", "\n") .. (text:sub(-1) == "\n" and "" or "\n")):gmatch("(.-)\n") do
    lines[#lines + 1] = line
  end
  return lines
end

-- Lengths of the longest common subsequences of a[i..] and b[j..] for first <= i, j.
local function lengths(a, b, first, last_a, last_b)
  local table_of = { [last_a + 1] = setmetatable({}, { __index = function() return 0 end }) }
  for i = last_a, first, -1 do
    local row, below = { [last_b + 1] = 0 }, table_of[i + 1]
    for j = last_b, first, -1 do
      if a[i] == b[j] then
        row[j] = below[j + 1] + 1
      else
        row[j] = math.max(below[j], row[j + 1])
      end
    end
    table_of[i] = row
  end
  return table_of
end

-- One entry a line: { " " | "-" | "+", text }.
local function edits(a, b)
  local out, first, last_a, last_b = {}, 1, #a, #b
  while first <= last_a and first <= last_b and a[first] == b[first] do
    out[#out + 1] = { " ", a[first] }
    first = first + 1
  end
  while last_a >= first and last_b >= first and a[last_a] == b[last_b] do
    last_a, last_b = last_a - 1, last_b - 1
  end
  local i, j = first, first
  local large = (last_a - first + 1) * (last_b - first + 1) > LARGEST
  local common = not large and lengths(a, b, first, last_a, last_b)
  while i <= last_a or j <= last_b do
    if common and i <= last_a and j <= last_b and a[i] == b[j] then
      out[#out + 1] = { " ", a[i] }
      i, j = i + 1, j + 1
    elseif i <= last_a and (not common or j > last_b or common[i + 1][j] >= common[i][j + 1]) then
      out[#out + 1] = { "-", a[i] }
      i = i + 1
    else
      out[#out + 1] = { "+", b[j] }
      j = j + 1
    end
  end
  for k = last_a + 1, #a do out[#out + 1] = { " ", a[k] } end
  return out
end

-- The lines to show, with "..." where unchanged ones are left out; an empty list for equal texts.
function diff.lines(left, right)
  local all = edits(lines_of(left), lines_of(right))
  local near = {}
  for k, edit in ipairs(all) do
    if edit[1] ~= " " then
      for around = k - AROUND, k + AROUND do near[around] = true end
    end
  end
  local out, gap = {}, false
  for k, edit in ipairs(all) do
    if near[k] then
      if gap and #out > 0 then out[#out + 1] = "..." end
      gap = false
      out[#out + 1] = edit[1] .. " " .. edit[2]
    else
      gap = true
    end
  end
  return out
end

return diff
