-- How charts look: colours, dashes, markers, colour maps, under the names that matplotlib has for them.
local errors = require "kl.errors"

local style = {}

-- The ten colours that series get in turn, and what else has a name.
local cycle = {"#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"}
local colors = {
  ["tab:blue"] = cycle[1], ["tab:orange"] = cycle[2], ["tab:green"] = cycle[3], ["tab:red"] = cycle[4],
  ["tab:purple"] = cycle[5], ["tab:brown"] = cycle[6], ["tab:pink"] = cycle[7], ["tab:gray"] = cycle[8],
  ["tab:grey"] = cycle[8], ["tab:olive"] = cycle[9], ["tab:cyan"] = cycle[10],
  b = "#0000ff", g = "#008000", r = "#ff0000", c = "#00bfbf", m = "#bf00bf", y = "#bfbf00", k = "#000000", w = "#ffffff",
  black = "#000000", white = "#ffffff", red = "#ff0000", green = "#008000", blue = "#0000ff", cyan = "#00ffff",
  magenta = "#ff00ff", yellow = "#ffff00", gray = "#808080", grey = "#808080", lightgray = "#d3d3d3", lightgrey = "#d3d3d3",
  darkgray = "#a9a9a9", darkgrey = "#a9a9a9", dimgray = "#696969", dimgrey = "#696969", silver = "#c0c0c0",
  orange = "#ffa500", darkorange = "#ff8c00", gold = "#ffd700", purple = "#800080", violet = "#ee82ee", indigo = "#4b0082",
  brown = "#a52a2a", pink = "#ffc0cb", olive = "#808000", navy = "#000080", teal = "#008080", lime = "#00ff00",
  maroon = "#800000", salmon = "#fa8072", coral = "#ff7f50", tomato = "#ff6347", crimson = "#dc143c", firebrick = "#b22222",
  darkred = "#8b0000", darkgreen = "#006400", darkblue = "#00008b", forestgreen = "#228b22", seagreen = "#2e8b57",
  skyblue = "#87ceeb", lightblue = "#add8e6", steelblue = "#4682b4", royalblue = "#4169e1", dodgerblue = "#1e90ff",
  slategray = "#708090", slategrey = "#708090", turquoise = "#40e0d0", orchid = "#da70d6", plum = "#dda0dd", khaki = "#f0e68c",
  tan = "#d2b48c", beige = "#f5f5dc", chocolate = "#d2691e", sienna = "#a0522d",
}
for i, color in ipairs(cycle) do colors["C" .. i - 1] = color end

--- The colour that the n-th series gets, n from 1.
function style.cycle(n) return cycle[(n - 1) % #cycle + 1] end

--- "#rrggbb" of a name, "#rgb", "#rrggbb" or {red, green, blue} from 0 to 1.
function style.color(what, given)
  if type(given) == "string" then
    local hex = given:match("^#(%x%x%x%x%x%x)$") or given:gsub("^#(%x)(%x)(%x)$", "%1%1%2%2%3%3"):match("^(%x%x%x%x%x%x)$")
    if hex then return "#" .. hex:lower() end
    if colors[given] then return colors[given] end
    errors.fail("%s: unknown color %q%s (a name, \"#rrggbb\" or {red, green, blue} from 0 to 1)", what, given,
      errors.nearest(given, colors))
  end
  local ok = type(given) == "table" and getmetatable(given) == nil and #given == 3
  for i = 1, ok and 3 or 0 do ok = ok and math.type(given[i]) and given[i] >= 0 and given[i] <= 1 end
  if not ok then
    errors.fail("%s: 'color' must be a name, \"#rrggbb\" or {red, green, blue} from 0 to 1, got %s", what, errors.show(given))
  end
  return ("#%02x%02x%02x"):format(style.byte(given[1]), style.byte(given[2]), style.byte(given[3]))
end

--- 0 to 1 as 0 to 255.
function style.byte(value) return math.floor(value * 255 + 0.5) end

local function choose(what, option, given, known)
  local chosen = known[given]
  if chosen == nil then errors.fail("%s: unknown %s %s%s", what, option, errors.show(given), errors.nearest(given, known)) end
  return chosen
end

-- Lengths of dashes and gaps, in widths of the line.
local dashes = {
  solid = "", ["-"] = "", dashed = "(10,6)", ["--"] = "(10,6)", dotted = "(2.4,4.4)", [":"] = "(2.4,4.4)",
  dashdot = "(12,5,2.4,5)", ["-."] = "(12,5,2.4,5)", none = false, [""] = false,
}
--- A dash pattern, "" for solid, false for no line.
function style.dash(what, given) return choose(what, "style", given, dashes) end

-- Gnuplot's numbers and how much larger a sign must be to look as large as the others.
local markers = {
  o = {7, 1}, ["."] = {7, 0.4}, s = {5, 0.85}, ["^"] = {9, 1.05}, v = {11, 1.05}, D = {13, 0.9}, d = {13, 0.7}, ["*"] = {3, 1.1},
  x = {2, 0.85}, ["+"] = {1, 1}, p = {15, 1}, circle = {7, 1}, point = {7, 0.4}, square = {5, 0.85}, triangle = {9, 1.05},
  diamond = {13, 0.9}, cross = {2, 0.85}, plus = {1, 1}, star = {3, 1.1}, pentagon = {15, 1}, none = false,
}
function style.marker(what, given) return choose(what, "marker", given, markers) end

-- Colour maps by evenly spaced colours, those between are mixed.
local maps = {
  viridis = {0x440154, 0x482878, 0x3e4989, 0x31688e, 0x26828e, 0x1f9e89, 0x35b779, 0x6ece58, 0xb5de2b, 0xfde725},
  magma = {0x000004, 0x180f3d, 0x440f76, 0x721f81, 0x9e2f7f, 0xcd4071, 0xf1605d, 0xfd9668, 0xfeca8d, 0xfcfdbf},
  plasma = {0x0d0887, 0x46039f, 0x7201a8, 0x9c179e, 0xbd3786, 0xd8576b, 0xed7953, 0xfb9f3a, 0xfdca26, 0xf0f921},
  inferno = {0x000004, 0x1b0c41, 0x4a0c6b, 0x781c6d, 0xa52c60, 0xcf4446, 0xed6925, 0xfb9b06, 0xf7d13d, 0xfcffa4},
  gray = {0x000000, 0xffffff},
  Blues = {0xf7fbff, 0xdeebf7, 0xc6dbef, 0x9ecae1, 0x6baed6, 0x4292c6, 0x2171b5, 0x08519c, 0x08306b},
  Reds = {0xfff5f0, 0xfee0d2, 0xfcbba1, 0xfc9272, 0xfb6a4a, 0xef3b2c, 0xcb181d, 0xa50f15, 0x67000d},
  Greens = {0xf7fcf5, 0xe5f5e0, 0xc7e9c0, 0xa1d99b, 0x74c476, 0x41ab5d, 0x238b45, 0x006d2c, 0x00441b},
  seismic = {0x00004c, 0x0000ff, 0xffffff, 0xff0000, 0x800000},
  bwr = {0x0000ff, 0xffffff, 0xff0000},
  coolwarm = {0x3b4cc0, 0x6788ee, 0x9abbff, 0xc9d7f0, 0xdddddd, 0xf2cab5, 0xf7a889, 0xe26952, 0xb40426},
  RdBu = {0x67001f, 0xb2182b, 0xd6604d, 0xf4a582, 0xfddbc7, 0xf7f7f7, 0xd1e5f0, 0x92c5de, 0x4393c3, 0x2166ac, 0x053061},
}
local function reversed(list)
  local back = {}
  for i = #list, 1, -1 do back[#back + 1] = list[i] end
  return back
end
local names = {}
for name in pairs(maps) do names[#names + 1] = name end
for _, name in ipairs(names) do maps[name .. "_r"] = reversed(maps[name]) end
maps.grey, maps.binary = maps.gray, maps.gray_r

--- The list of colours (0xrrggbb) of a colour map.
function style.colormap(what, given) return choose(what, "colormap", given, maps) end

--- The colour of a colour map at a place from 0 to 1: red, green, blue, from 0 to 255.
function style.mix(map, place)
  local at = math.max(0, math.min(1, place)) * (#map - 1)
  local i = math.min(math.floor(at), #map - 2)
  local share, low, high = at - i, map[i + 1], map[i + 2]
  local function channel(shift)
    local a, b = low >> shift & 255, high >> shift & 255
    return math.floor(a + (b - a) * share + 0.5)
  end
  return channel(16), channel(8), channel(0)
end

return style
