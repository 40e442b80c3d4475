-- What Envoy's own filters cannot do for the edge. `mesh edge render` fills FIELDS in from the
-- contracts: for each REST route with a body, every spelling of a field and its canonical name.
-- PATTERNS are the routes with a variable in their path.
local FIELDS = {--[[fields]]}
local PATTERNS = {--[[patterns]]}

local function fields_of(route)
  local fields = FIELDS[route]
  if fields ~= nil then
    return fields
  end
  for pattern, found in pairs(PATTERNS) do
    if string.find(route, pattern) then
      return found
    end
  end
end

-- The edge's reply format puts reason and field where every other error has them.
local function reject(handle, reason, message, field)
  handle:headers():replace("x-edge-reason", reason)
  handle:headers():replace("x-edge-field", field)
  handle:respond({[":status"] = "400"}, message)
end

-- Position of the quote that closes the string opened at `first`.
local function string_end(body, first)
  local at = first + 1
  while at <= #body do
    local char = string.byte(body, at)
    if char == 92 then
      at = at + 2
    elseif char == 34 then
      return at
    else
      at = at + 1
    end
  end
  return #body + 1
end

-- The transcoder drops fields it does not know and keeps the last of two alike; a mistyped
-- "timeInForc" would place another order than the trader meant. Whether the body is JSON at all
-- is left to the transcoder.
local function check_fields(handle, body, fields)
  local depth, at, seen = 0, 1, {}
  while true do
    at = string.find(body, '["{}%[%]]', at)
    if at == nil then
      return
    end
    local char = string.byte(body, at)
    if char == 34 then
      local last = string_end(body, at)
      if depth == 1 and string.find(body, "^%s*:", last + 1) then
        local field = string.sub(body, at + 1, last - 1)
        local canonical = fields[field]
        local shown = string.gsub(string.sub(field, 1, 64), "[^%w_.-]", "?")
        if canonical == nil then
          return reject(handle, "UNKNOWN_FIELD", "unknown field " .. shown, shown)
        end
        if seen[canonical] then
          return reject(handle, "DUPLICATE_FIELD", "field " .. shown .. " is given twice", shown)
        end
        seen[canonical] = true
      end
      at = last + 1
    else
      depth = depth + ((char == 123 or char == 91) and 1 or -1)
      at = at + 1
    end
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local path = headers:get(":path") or ""
  -- The documents write /api/v1 where /v1 is canonical.
  if string.sub(path, 1, 8) == "/api/v1/" then
    path = string.sub(path, 5)
    headers:replace(":path", path)
    handle:clearRouteCache()
  end
  local fields = fields_of((headers:get(":method") or "") .. " " .. string.match(path, "^[^?]*"))
  if fields ~= nil then
    local body = handle:body()
    if body ~= nil then
      check_fields(handle, body:getBytes(0, body:length()), fields)
    end
  end
end

-- A unary call's trailers do not reach REST, so a handler says 202 in a header. Only a success is
-- changed: an error keeps its status.
function envoy_on_response(handle)
  local headers = handle:headers()
  local wanted = headers:get("x-http-status")
  if wanted ~= nil then
    local kind = headers:get("content-type") or ""
    if headers:get(":status") == "200" and string.sub(kind, 1, 16) == "application/json" then
      headers:replace(":status", wanted)
    end
    headers:remove("x-http-status")
  end
end
