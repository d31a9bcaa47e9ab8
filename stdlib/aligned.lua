-- Numbers and tables as people read them: rounded, in aligned columns.
local aligned = {}

-- Rounded for reading; the store keeps it whole. nil: "-".
function aligned.number(value)
  if value == nil then return "-" end
  if math.type(value) == "integer" then return tostring(value) end
  local size = math.abs(value)
  if size == 0 or (size >= 1e-3 and size < 1e5) then return ("%.4f"):format(value) end
  return (size >= 1e5 and "%.6g" or "%.3g"):format(value)
end

local function width(text) return utf8.len(text) or #text end

-- Rows of texts in aligned columns; `right` marks columns that hold numbers.
function aligned.text(rows, right, indent)
  local widths = {}
  for _, row in ipairs(rows) do
    for c, cell in ipairs(row) do widths[c] = math.max(widths[c] or 0, width(cell)) end
  end
  local lines = {}
  for _, row in ipairs(rows) do
    local cells = {}
    for c, cell in ipairs(row) do
      local pad = (" "):rep(widths[c] - width(cell))
      cells[c] = right[c] and pad .. cell or cell .. pad
    end
    lines[#lines + 1] = (indent .. table.concat(cells, "  ")):gsub("%s+$", "")
  end
  return table.concat(lines, "\n") .. "\n"
end

return aligned
