-- The commands that are written in Lua: run, check, list, help. Each gets the parsed options and
-- returns the exit status.
local core = require "core"
local fail = require "fail"

local command = {}

-- Folders that --confine leaves open, as real paths.
function command.confinement(options, folder)
  local roots = { folder }
  for _, text in ipairs(options.allow) do
    local kind, path = text:match("^(%w+)=(.+)$")
    if kind ~= "read" then
      fail.raise { field = "--allow " .. text, message = "expected read=DIR" }
    end
    local real = core.realpath(path)
    if not real then
      fail.raise { field = "--allow " .. text, message = "there is no folder " .. path, status = 4 }
    end
    roots[#roots + 1] = real
  end
  return options.confine and roots or nil
end

local function load_and_check(options)
  local path = options.operands[1]
  fail.trace = options.trace
  local value, sources, folder = require("script").load(path, options.arguments)
  local settings = { script = path, folder = folder, set = options.set, seed = options.seed,
                     numerics = options.numerics,
                     confine = command.confinement(options, folder) }
  local checked = require("schema").check(value, settings)
  settings.arguments = options.arguments
  return checked, sources, settings
end

function command.run(options)
  if options.resume then return require("resume").main(options) end
  local checked, sources, settings = load_and_check(options)
  if options.dry_run then
    core.print(require("plan").text(checked))
    return 0
  end
  return require("run").main(checked, options, sources, settings)
end

function command.check(options)
  local checked = load_and_check(options)
  core.print("ok: ", require("plan").summary(checked), "\n")
  return 0
end

function command.reproduce(options)
  return require("reproduce").main(options)
end

function command.export_bundle(options)
  return require("bundle").export(options)
end

function command.export_jsonl(options)
  return require("jsonl").export(options)
end

function command.import(options)
  return require("bundle").import(options)
end

function command.export_pictures(options)
  return require("pictures").export(options)
end

-- The run's model as a file of options.output, written by `save`.
local function export_model(options, name, save)
  local model = require("saved").stored(options.operands[1], options.db).model
  local path = options.output .. "/" .. name
  core.folder_make(options.output)
  save(model, path)
  if not options.quiet then core.print(path, "\n") end
  return 0
end

-- `lunette export RUN --format safetensors`: DIR/model.safetensors.
function command.export_weights(options)
  return export_model(options, "model.safetensors", core.model_save_weights)
end

-- `lunette export RUN --format onnx`: DIR/model.onnx.
function command.export_onnx(options)
  return export_model(options, "model.onnx", core.model_save_onnx)
end

function command.list(options)
  return require("help/list").list(options)
end

function command.help(options)
  return require("help").help(options)
end

return command
