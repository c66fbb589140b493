-- All sixteen tools, with v0.6.0's parameters, read by its fields text and metadata.

local url, folder = args[1], args[2]

-- What most tools answer with: an envelope as JSON, in text.
local function call(name, params)
    local result = Tool.invoke(name, params)
    assert(type(result.text) == "string" and type(result.metadata) == "table", name)
    local envelope = JSON.parse(result.text)
    assert(envelope.success == true and type(envelope.operation) == "string", name)
    return envelope.result, envelope
end
local function fails(name, params, pattern)
    local ok, err = pcall(Tool.invoke, name, params)
    assert(not ok and tostring(err):find(pattern), name .. ": " .. tostring(err))
end

-- What there is
assert(Tool.exists("calculator") and not Tool.exists("abacus"))
local listed = {}
for _, tool in ipairs(Tool.list()) do
    assert(type(tool.name) == "string" and type(tool.description) == "string" and tool.version)
    listed[tool.name] = true
end
for _, name in ipairs({
    "calculator", "json_processor", "text_manipulator", "template_engine", "hash_calculator", "base64_encoder",
    "uuid_generator", "date_time_handler", "data_validation", "diff_calculator", "csv_analyzer", "file_operations",
    "file_search", "http_request", "environment_reader", "process_executor",
}) do
    assert(listed[name], name)
end
local calculator = Tool.get("calculator")
assert(calculator.name == "calculator" and #calculator.schema.parameters > 0)
for _, parameter in ipairs(calculator.schema.parameters) do
    assert(parameter.name and parameter.type and parameter.description and parameter.required ~= nil)
end
assert(calculator:execute({ operation = "evaluate", input = "1 + 1" }).text:find('"result": 2'))
assert(Tool.calculator:execute({ input = "2 * 3" }).text and Tool.calculator.getSchema())
assert(#Tool.discover({ category = "data" }) >= 2 and #Tool.categories() >= 4)
assert(Tool.get("abacus") == nil)
fails("abacus", {}, "abacus")

-- calculator
local result, envelope = call("calculator", { operation = "evaluate", input = "x^2 + 2*x", variables = { x = 3 } })
assert(result.result == 15 and result.input == "x^2 + 2*x" and envelope.operation == "evaluate")
assert(call("calculator", { operation = "validate", input = "2 +" }).valid == false)
assert(type(call("calculator", { operation = "functions" }).arithmetic) == "table")
assert(call("calculator", { input = "1 / 0" }).result == "Infinity")

-- json_processor: the bare result
local query = Tool.invoke("json_processor", { operation = "query", input = '{"users": [{"n": "a"}, {"n": "b"}]}', query = ".users[].n" })
assert(JSON.parse(query.text)[2] == "b" and query.metadata.operation == "query")
local valid = Tool.invoke("json_processor", {
    operation = "validate", input = { age = "old" },
    schema = { type = "object", properties = { age = { type = "number" } } },
})
assert(JSON.parse(valid.text).is_valid == false)

-- text_manipulator
assert(call("text_manipulator", { operation = "uppercase", input = "abc" }).result == "ABC")
assert(call("text_manipulator", { operation = "replace", input = "a-b", options = { from = "-", to = "+" } }).result == "a+b")
assert(call("text_manipulator", { operation = "snake_case", input = "helloWorld" }).result == "hello_world")
assert(call("text_manipulator", { operation = "truncate", input = "abcdefgh", options = { max_length = 6 } }).result == "abc...")
assert(JSON.parse(call("text_manipulator", { operation = "split", input = "a,b", options = { delimiter = "," } }).result)[2] == "b")

-- template_engine
local rendered = call("template_engine", { input = "Hello {{ name }}!", context = { name = "Ada" }, engine = "tera" })
assert(rendered.rendered == "Hello Ada!" and rendered.engine == "tera")
assert(call("template_engine", { input = "{{#each xs}}<{{this}}>{{/each}}", context = { xs = { 1, 2 } } }).rendered == "<1><2>")

-- hash_calculator
local hashed = call("hash_calculator", { operation = "hash", algorithm = "sha256", input = "hello" })
assert(hashed.hash:sub(1, 8) == "2cf24dba" and hashed.algorithm == "SHA-256")
assert(call("hash_calculator", { operation = "verify", input = "hello", expected_hash = hashed.hash }).verified == true)
assert(call("hash_calculator", { operation = "hash", algorithm = "md5", input = "hello" }).hash == "5d41402abc4b2a76b9719d911017c592")

-- base64_encoder
assert(call("base64_encoder", { operation = "encode", input = "Hello" }).output == "SGVsbG8=")
assert(call("base64_encoder", { operation = "decode", input = "SGVsbG8=" }).output == "Hello")

-- uuid_generator
assert(call("uuid_generator", { version = "v4" }).uuid:match("^%x+%-%x+%-4%x+%-[89ab]%x+%-%x+$"))
assert(call("uuid_generator", { version = "v5", namespace = "dns", name = "example.com" }).uuid
    == "cfbff0d1-9375-5685-968c-48ce8b15ae17")
assert(call("uuid_generator", { operation = "component_id", prefix = "agent" }).id:find("^agent_"))

-- date_time_handler
local date = call("date_time_handler", { operation = "parse", input = "2025-08-01T12:30:00Z" })
assert(date.parsed.year == 2025 and date.parsed.month == 8 and date.parsed.weekday)
assert(call("date_time_handler", { operation = "add", input = "2025-08-01T00:00:00Z", amount = 2, unit = "days" }).result:find("2025%-08%-03"))
assert(call("date_time_handler", { operation = "difference", start = "2025-08-01T00:00:00Z", ["end"] = "2025-08-03T00:00:00Z" })
    .difference.days == 2)
assert(call("date_time_handler", { operation = "now" }).datetime)

-- data_validation
local checked = call("data_validation", { input = "ada@example.com", rules = { rules = { { type = "email" }, { type = "length", min = 3 } } } })
assert(checked.valid == true)
local wrong = call("data_validation", { input = 200, rules = { rules = { { type = "range", min = 0, max = 100 } } } })
assert(wrong.valid == false and wrong.errors[1].field == "input" and wrong.errors[1].message)

-- diff_calculator
local diff = call("diff_calculator", { old_text = "a\nb\n", new_text = "a\nc\n" })
assert(diff.diff:find("-b", 1, true) and diff.diff:find("+c", 1, true))
local json_diff = call("diff_calculator", { type = "json", old_json = { a = 1 }, new_json = { a = 2, b = 3 } })
assert(json_diff.summary.added == 1 and json_diff.summary.modified == 1)

-- csv_analyzer: the bare result
local csv = "name,age\nann,30\nbob,40\n"
local analysed = Tool.invoke("csv_analyzer", { operation = "analyze", input = csv, options = {} })
assert(JSON.parse(analysed.text).row_count == 2 and analysed.metadata.operation == "analyze")
local rows = JSON.parse(Tool.invoke("csv_analyzer", { operation = "convert", input = csv, options = { format = "json" } }).text)
assert(rows[2].name == "bob" and rows[2].age == 40)
local filtered = Tool.invoke("csv_analyzer", { operation = "filter", input = csv, options = { filter = "age > 35" } })
assert(filtered.text:find("bob") and not filtered.text:find("ann"))

-- file_operations: plain text, the rest in metadata.response
local path = folder .. "/tools.txt"
local written = Tool.invoke("file_operations", { operation = "write", path = path, input = "one\ntwo\n" })
assert(written.text:find("Wrote 8 bytes") and written.metadata.operation == "write")
Tool.invoke("file_operations", { operation = "append", path = path, input = "three\n" })
assert(Tool.invoke("file_operations", { operation = "read", path = path }).text == "one\ntwo\nthree\n")
assert(Tool.invoke("file_operations", { operation = "exists", path = path }).metadata.response.result.exists == true)
local entries = Tool.invoke("file_operations", { operation = "list_dir", path = folder }).metadata.response.result
assert(entries.count >= 1)

-- file_search
local search = Tool.invoke("file_search", { pattern = "two", path = path })
local match = search.metadata.response.result.matches[1]
assert(match.line_number == 2 and match.matched_text == "two" and search.text ~= "")
Tool.invoke("file_operations", { operation = "delete", path = path })
fails("file_operations", { operation = "read", path = path }, "tools.txt")

-- http_request
local page, whole = call("http_request", { input = url .. "/double/21", method = "GET" })
assert(page.status_code == 200 and page.body.double == 42 and whole.metadata.method == "GET")

-- environment_reader
assert(call("environment_reader", { operation = "get", variable_name = "HOME" }).found == true)
assert(call("environment_reader", { operation = "list" }).count > 0)
fails("environment_reader", { operation = "get", variable_name = "MY_SECRET_TOKEN" }, "MY_SECRET_TOKEN")

-- process_executor
local echoed = call("process_executor", { executable = "echo", arguments = { "hello", "world" } })
assert(echoed.exit_code == 0 and echoed.stdout == "hello world\n" and echoed.success == true)

print("tools: all good")
