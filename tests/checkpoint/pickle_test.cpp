#include <doctest/doctest.h>

#include <shardplan/checkpoint/pickle.hpp>
#include <shardplan/checkpoint/pickle_writer.hpp>

#include "../thrown.hpp"
#include "torch_support.hpp"

using namespace shardplan;
using namespace shardplan::checkpoint;
using namespace std::string_literals;

namespace {

const Ids refused{"SP-CHECKPOINT-004"}, impossible{"SP-CHECKPOINT-005"};

/// Reads a pickle whose storages all have 64 bytes.
Value load(std::string_view bytes, const PickleAllows& allows = {}) {
  const auto memory = std::make_shared<const std::vector<std::byte>>(64);
  return read_pickle(bytes, "test", 0, allows,
                     [&](const PickledStorage& asked) {
                       if (asked.bytes > 64) fail("SP-CHECKPOINT-005", "more than there is");
                       return Storage{{}, memory};
                     })
      .value;
}

/// With PROTO in front and STOP behind.
std::string pickle(std::string_view code) { return concat("\x80\x02", code, '.'); }
Ids error(std::string_view code, const PickleAllows& allows = {}) {
  return thrown([&] { load(pickle(code), allows); });
}
std::string shown_value(std::string_view code, const PickleAllows& allows = {}) {
  return concat(load(pickle(code), allows));
}
std::string text(std::string_view of) {
  std::string out = "X";
  checkpoint::detail::append_little(out, static_cast<std::uint32_t>(of.size()));
  return concat(out, of);
}
std::string number(Index of) {
  std::string out = "\x8a\x08";
  checkpoint::detail::append_little(out, of);
  return out;
}
std::string numbers(const std::vector<Index>& of) {
  std::string out = "(";
  for (const Index one : of) out += number(one);
  return out + 't';
}

const PickleAllows objects{.objects = true};

/// A storage of `numel` elements, or of what stands there instead of the location.
std::string storage(Index numel, std::string_view type = "torch\nFloatStorage\n", std::string_view key = "0",
                    std::string_view location = "cpu") {
  return concat('(', text("storage"), 'c', type, text(key), text(location), number(numel), "tQ");
}
std::string tensor(const std::string& from, Index offset, const std::vector<Index>& shape,
                   const std::vector<Index>& strides) {
  return concat("ctorch._utils\n_rebuild_tensor_v2\n(", from, number(offset), numbers(shape), numbers(strides),
                "\x89}tR");
}

}  // namespace

TEST_CASE("opcodes make plain values") {
  CHECK(shown_value("N") == "None");
  CHECK(shown_value("\x88") == "True");
  CHECK(shown_value("\x89") == "False");
  CHECK(shown_value("K\xFF") == "255");
  CHECK(shown_value("M\xFF\xFF") == "65535");
  CHECK(shown_value("J\xFF\xFF\xFF\xFF") == "-1");
  CHECK(shown_value("\x8a\x00"s) == "0");
  CHECK(shown_value("\x8a\x01\x80") == "-128");
  CHECK(shown_value("\x8a\x02\x80\x00"s) == "128");
  CHECK(shown_value("\x8a\x0a\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF") == "-1");  // longer than needed
  CHECK(shown_value(concat("\x8a\x09", std::string(8, '\0'), '\x01')) == "18446744073709551616");
  CHECK(shown_value(concat("\x8b\x09\0\0\0"s, std::string(8, '\0'), '\xFF')) == "-18446744073709551616");
  CHECK(shown_value("G\x3f\xf8\0\0\0\0\0\0"s) == "1.5");
  CHECK(shown_value("G\xc0\0\0\0\0\0\0\0"s) == "-2.0");
  CHECK(shown_value(text("h\u00e9'\n")) == "'h\u00e9\\'\\x0a'");
  CHECK(shown_value("\x8c\x02hi") == "'hi'");
  CHECK(shown_value("U\x02hi") == "'hi'");
  CHECK(shown_value("\x8d\x02\0\0\0\0\0\0\0hi"s) == "'hi'");
  CHECK(shown_value("C\x02\x00\xFF"s) == "b'\\x00\\xff'");
  CHECK(shown_value("B\x02\0\0\0ab"s) == "b'ab'");
  CHECK(shown_value("(K\x01K\x02K\x03K\x04t") == "(1, 2, 3, 4)");
  CHECK(shown_value(")") == "()");
  CHECK(shown_value("K\x01\x85") == "(1,)");
  CHECK(shown_value("K\x01K\x02\x86") == "(1, 2)");
  CHECK(shown_value("K\x01K\x02K\x03\x87") == "(1, 2, 3)");
  CHECK(shown_value("]K\x01"
                    "a(K\x02K\x03"
                    "e") == "[1, 2, 3]");
  CHECK(shown_value("\x8f(K\x01K\x02\x90") == "{1, 2}");
  CHECK(shown_value("\x8f") == "set()");
  CHECK(shown_value("}K\x01K\x02s(K\x03K\x04"
                    "K\x05Nu") == "{1: 2, 3: 4, 5: None}");
  CHECK(shown_value("K\x01K\x02"
                    "0") == "1");
  CHECK(shown_value("K\x01(K\x02K\x03"
                    "1") == "1");
  CHECK(shown_value("K\x01"
                    "2\x86") == "(1, 1)");
  CHECK(shown_value("K\x07q\x05"
                    "0h\x05") == "7");
  CHECK(shown_value("K\x07r\x05\0\0\0"s
                    "0j\x05\0\0\0"s) == "7");
  CHECK(shown_value("\x95\x02\0\0\0\0\0\0\0K\x07"s) == "7");
  CHECK(shown_value("K\x07\x94K\x08\x94"
                    "00h\x01h\x00\x86"s) == "(8, 7)");
}

TEST_CASE("names on the list make what they stand for") {
  CHECK(shown_value("ctorch\nSize\n" + numbers({2, 3}) + "\x85R") == "torch.Size([2, 3])");
  CHECK(shown_value("ctorch\ndevice\n" + text("cpu") + "\x85R") == "device(cpu)");
  CHECK(shown_value("ctorch\ndevice\n" + text("xla") + "K\x01\x86R") == "device(xla:1)");
  CHECK(shown_value("ctorch\nbfloat16\n") == "torch.bfloat16");
  CHECK(shown_value(text("torch") + text("float8_e5m2") + "\x93") == "torch.float8_e5m2");
  CHECK(shown_value("c_codecs\nencode\n" + text("a\u00ff") + text("latin1") + "\x86R") == "b'a\\xff'");
  CHECK(shown_value("c__builtin__\nbytes\n)R") == "b''");
  CHECK(shown_value("cbuiltins\nbytearray\nC\x01"
                    "a\x85R") == "bytearray(b'a')");
  CHECK(shown_value("c__builtin__\nset\n](K\x01K\x02"
                    "e\x85R") == "{1, 2}");
  CHECK(shown_value("ccollections\nOrderedDict\n)RK\x01K\x02s") == "{1: 2}");
  const Value module = load(pickle("ccollections\nOrderedDict\n)R}" + text("_metadata") + "K\x01sb"));
  CHECK(module.as<Dict>()->ordered);
  CHECK(concat(module.as<Dict>()->attributes) == "{'_metadata': 1}");
}

TEST_CASE("references to tensors in files of their own") {
  for (const char* type : {"torch_xla.utils.serialization\nTensorReference\n",
                           "nemo.collections.nlp.parts.serialization\nTensorReference\n",
                           "neuronx_distributed.trainer.checkpoint\n_InternalTensorReference\n"}) {
    const std::string start = concat('c', type, ")\x81}");
    CHECK(load(pickle(start + text("tid") + "K\x05sb")).as<TensorReference>()->tid == 5);
    CHECK(error(start + text("tid") + number(-1) + "sb") == refused);
    CHECK(error(start + text("tid") + text("../x") + "sb") == refused);
    CHECK(error(start + "b") == refused);
    CHECK(error(concat('c', type, ")\x81")) == refused);
    CHECK(error(concat('c', type, ")R")) == refused);
    CHECK(error(start + text("tid") + "K\x05s" + text("other") + "K\x05sb") == refused);
  }
  const Value full = load(pickle("cneuronx_distributed.trainer.checkpoint\n_InternalTensorReference\n)\x81}(" +
                                 text("tid") + "K\x05" + text("shape") + "ctorch\nSize\n" + numbers({2, 3}) + "\x85R" +
                                 text("dtype") + "ctorch\nfloat16\n" + text("expert_model_parallel") + "\x88ub"));
  const auto* reference = full.as<TensorReference>();
  REQUIRE(reference != nullptr);
  CHECK(reference->shape == Shape{2, 3});
  CHECK(reference->element == Element::float16);
  CHECK(reference->expert_model_parallel == true);
}

TEST_CASE("names that are not on the list are refused, called or not") {
  const char* const names[] = {"os\nsystem\n",
                               "posix\nsystem\n",
                               "builtins\neval\n",
                               "builtins\ngetattr\n",
                               "__builtin__\nexec\n",
                               "subprocess\nPopen\n",
                               "importlib\nimport_module\n",
                               "sys\nmodules\n",
                               "torch\nload\n",
                               "torch.storage\n_load_from_bytes\n",
                               "torch\nos.system\n",
                               "torch._utils\n_rebuild_device_tensor_from_numpy\n",
                               "collections\nOrderedDict.fromkeys\n",
                               "nt\nsystem\n",
                               "torch\nFloat8Storage\n",
                               "torch \nSize\n",
                               "\n\n"};
  for (const char* name : names) {
    for (const bool kept : {false, true}) {
      CAPTURE(name);
      CHECK(error(concat('c', name), {.objects = kept}) == refused);
      CHECK(error(concat('c', name, "0N"), {.objects = kept}) == refused);
      CHECK(error(concat('c', name, text("x"), "\x85R"), {.objects = kept}) == refused);
    }
  }
  CHECK(error(text("os") + text("system") + "\x93") == refused);
  CHECK(error("K\x01K\x02\x93") == refused);
  CHECK(error("ctorch\nSize") == refused);
  // Functions are no values, and take the arguments that they take.
  for (const char* name : {"torch\nFloatStorage\n", "torch._utils\n_rebuild_tensor_v2\n", "collections\nOrderedDict\n"})
    CHECK(error(concat('c', name)) == refused);
  for (const char* name :
       {"torch\nSize\n", "torch\ndevice\n", "torch._utils\n_rebuild_tensor_v2\n", "torch._utils\n_rebuild_parameter\n",
        "torch._tensor\n_rebuild_from_type_v2\n", "collections\nOrderedDict\n", "c_codecs\nencode\n",
        "torch\nfloat32\n", "torch\nFloatStorage\n"}) {
    CAPTURE(name);
    CHECK(error(concat('c', name, "K\x01\x85R")) == refused);
    CHECK(error(concat('c', name, "K\x01R")) == refused);
    CHECK(error(concat('c', name, ")\x81")) == refused);
  }
}

TEST_CASE("objects are kept where they are asked for, and only then") {
  const std::string namespace_object = concat("cargparse\nNamespace\n)\x81}", text("hidden"), "K\x10sb");
  CHECK(error(namespace_object) == refused);
  const Value kept = load(pickle(namespace_object), objects);
  REQUIRE(kept.as<Object>() != nullptr);
  CHECK(*kept.as<Object>()->find("hidden")->as<Index>() == 16);
  CHECK(kept.as<Object>()->find("other") == nullptr);
  for (const std::string& code :
       {"cpathlib\nPosixPath\n"s + text("a") + text("b") + "\x86R", "cdatetime\ntimedelta\nK\x01K\x02K\x03\x87R"s,
        "comegaconf.dictconfig\nDictConfig\n)\x81}"s + text("_content") + "ctyping\nAny\nsb",
        "ccollections\ndefaultdict\ncbuiltins\ndict\n\x85RK\x01K\x02s"s,
        "cmegatron.core.enums\nModelType\nK\x01\x85R"s}) {
    CAPTURE(code);
    CHECK(error(code) == refused);
    const Value object = load(pickle(code), objects);
    CHECK(object.as<Object>() != nullptr);
    // Written again, it is the same object.
    const auto no_tensors = [](const auto&) { return std::size_t{0}; };
    CHECK(concat(load(PickleWriter(no_tensors)(object), objects)) == concat(object));
    CHECK(load(PickleWriter(no_tensors)(object), objects).as<Object>()->entries.is_none() ==
          object.as<Object>()->entries.is_none());
  }
  CHECK(error("cbuiltins\ndict\n)R", objects) == refused);
}

TEST_CASE("the classes of distributed metadata are kept for who reads it") {
  const std::string metadata = "ctorch.distributed.checkpoint.metadata\n";
  const std::string index = concat(metadata, "MetadataIndex\n)\x81}(", text("fqn"), text("w"), text("offset"),
                                   "ctorch\nSize\n", numbers({0, 4}), "\x85R", text("index"), "Nub");
  const std::string format =
      concat("cbuiltins\ngetattr\n", metadata, "_MEM_FORMAT_ENCODING\n", text("TORCH_CONTIGUOUS_FORMAT"), "\x86R");
  const PickleAllows distributed{.distributed = true};
  CHECK(error(index) == refused);
  CHECK(error(format) == refused);
  CHECK(load(pickle(format), distributed).as<Object>()->name == "getattr");
  const Value dict = load(pickle(concat('}', index, "K\x07s")), distributed);
  CHECK(*dict.as<Dict>()->find(load(pickle(index), distributed))->as<Index>() == 7);
  CHECK(error(concat("}(", index, "K\x07", index, "K\x08u"), distributed) == refused);
  // getattr of anything else is refused.
  CHECK(error(concat("cbuiltins\ngetattr\n", metadata, "Metadata\n", text("x"), "\x86R"), distributed) == refused);
  CHECK(error(concat("cbuiltins\ngetattr\n", text("x"), text("x"), "\x86R"), distributed) == refused);
}

TEST_CASE("opcodes that find nothing to work on, or are none of those") {
  for (int code = 0; code < 256; ++code) {
    CAPTURE(code);
    const bool is_value = "N)]}\x88\x89\x8f"s.find(static_cast<char>(code)) != std::string::npos;
    CHECK(error(std::string(1, static_cast<char>(code))) == (is_value ? Ids{} : refused));
    CHECK(error(concat(static_cast<char>(code), static_cast<char>(code), "\xFF\xFF\xFF\x7F")) == refused);
  }
  for (const std::string& code : {"s"s,
                                  "K\x01s"s,
                                  "K\x01K\x02s"s,
                                  "(a"s,
                                  "]a"s,
                                  "]("s,
                                  "t"s,
                                  "1"s,
                                  "}(K\x01u"s,
                                  "]}K\x01"
                                  "bN"s,
                                  "}}b"s,
                                  "]}b"s,
                                  "K\x01}b"s,
                                  "h\x00"s,
                                  "K\x01q\x00h\x01"s,
                                  "K\x01r\xFF\xFF\xFF\x7F"s,
                                  "(K\x01"
                                  "a"s,
                                  "X\xFF\xFF\xFF\x7Fx"s,
                                  "\x8d\0\0\0\0\0\0\0\x40x"s,
                                  "\x8b\xFF\xFF\xFF\xFFx"s,
                                  "\x8b\x01\x04\0\0x"s,
                                  "X\x01\0\0\0\xFF"s,
                                  "X\x02\0\0\0\xC0\x80"s,
                                  "\x95\xFF\xFF\xFF\xFF\0\0\0\0N"s,
                                  "N\x80\x02"s,
                                  "K\x01K\x02"s,
                                  ""s,
                                  "}](K\x01"
                                  "ee"s,
                                  "}]K\x01s"s,
                                  "}G\0\0\0\0\0\0\0\0K\x01s"s,
                                  "}(K\x01K\x02K\x01K\x03u"s,
                                  "Pname\n"s,
                                  text("x") + "Q",
                                  "(" + text("module") + "tQ"}) {
    CAPTURE(code);
    CHECK(error(code) == refused);
  }
  CHECK(thrown([] { load(""); }) == refused);
  CHECK(thrown([] { load("N."); }) == refused);
  CHECK(thrown([] { load("\x80\x02N"); }) == refused);
  for (const char protocol : {'\0', '\1', '\6', '\xFF'})
    CHECK(thrown([&] { load(concat('\x80', protocol, "N.")); }) == refused);
  for (const char protocol : {'\2', '\3', '\4', '\5'}) CHECK(load(concat('\x80', protocol, "N.")).is_none());
}

TEST_CASE("a pickle that is cut anywhere is refused") {
  const std::string whole =
      pickle(concat("}(", text("w"), tensor(storage(12), 0, {3, 4}, {4, 1}), text("n"), number(7), "u"));
  REQUIRE(load(whole).as<Dict>() != nullptr);
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK(thrown([&] { load(std::string_view(whole).substr(0, size)); }) == refused);
}

TEST_CASE("nesting, sharing and cycles have limits") {
  const auto repeated = [](std::string_view code, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += code;
    return out;
  };
  const auto lists = [&](std::size_t depth) { return repeated("]", depth) + repeated("a", depth - 1); };
  CHECK(error(lists(1000)) == Ids{});
  CHECK(error(lists(1100)) == refused);
  CHECK(error(lists(100000)) == refused);
  CHECK(error(repeated("(", 200000)) == refused);
  CHECK(error(repeated("(", 900) + repeated("t", 900)) == Ids{});
  CHECK(error("N" + repeated("\x85", 100000)) == refused);
  CHECK(error("]2a") == refused);
  CHECK(error("}q\x01K\x01h\x01s") == refused);
  CHECK(error("]q\x01h\x01\x85"
              "a") == refused);
  // Each of the lists is short, and is named only after it is whole: [[], [[]], [[], [[]]]...].
  std::string chain = "]q\x01](h\x01";
  for (int i = 0; i < 2000; ++i) chain += "h\x01\x85q\x01";
  CHECK(error(chain + "e") == refused);
  // 2^k leaves out of k tuples.
  const auto doubled = [&](std::size_t times) { return "K\x01" + repeated("2\x86", times); };
  CHECK(error(doubled(10)) == Ids{});
  CHECK(error(doubled(60)) == refused);
  CHECK(error("]q\x01" +
              repeated("](h\x01h\x01"
                       "eq\x01"
                       "0",
                       40) +
              "h\x01") == refused);
  // Keys that would take forever to compare.
  CHECK(error("}" + doubled(15) + "K\x01s") == refused);
  CHECK(error("}" + text(std::string(5000, 'k')) + "K\x01s") == refused);
  CHECK(error("}" + text(std::string(4000, 'k')) + "K\x01s") == Ids{});
  // Copies of a text that stands there once.
  CHECK(error(text(std::string(1000, 'k')) +
              "q\x01"
              "0(" +
              repeated("c_codecs\nencode\nh\x01" + text("latin1") + "\x86R", 100) + "t") == refused);
}

TEST_CASE("dicts are in the order of the file, and found by key") {
  const Value value = load(pickle("}(" + text("b") + "K\x01K\x05" + text("five") + text("a") +
                                  "](K\x0aK\x0b"
                                  "eK\x01K\x02\x86N" +
                                  number(-1) + "}u"));
  CHECK(concat(value) == "{'b': 1, 5: 'five', 'a': [10, 11], (1, 2): None, -1: {}}");
  CHECK(*value.find("b")->as<Index>() == 1);
  CHECK(*value.find(5)->as<std::string>() == "five");
  CHECK(*value.find_path({"a", 1})->as<Index>() == 11);
  CHECK(value.find_path({"a", 2}) == nullptr);
  CHECK(value.find_path({"a", -1}) == nullptr);
  CHECK(value.find_path({"a", "x"}) == nullptr);
  CHECK(value.find_path({"z", 1}) == nullptr);
  CHECK(value.find(6) == nullptr);
  CHECK(value.find("") == nullptr);
  CHECK(value.as<Dict>()->find(Value(Tuple{{1, 2}}))->is_none());
  CHECK(value.as<Dict>()->find(Value(Tuple{{1, 3}})) == nullptr);
  CHECK(thrown([] { Dict({{1.5, 1}}); }) == refused);
  CHECK(thrown([] { Dict({{"a", 1}, {"b", 2}, {"a", 3}}); }) == refused);
}

TEST_CASE("tensors lie within their storage") {
  const auto made = [](Index offset, const std::vector<Index>& shape, const std::vector<Index>& strides) {
    return error(tensor(storage(16), offset, shape, strides));
  };
  // A tensor of rank 1 is right exactly where its last element is there.
  for (Index offset = -1; offset <= 17; ++offset)
    for (Index size = -1; size <= 17; ++size)
      for (Index stride = -1; stride <= 3; ++stride) {
        CAPTURE(offset);
        CAPTURE(size);
        CAPTURE(stride);
        const bool inside =
            offset >= 0 && size >= 0 && stride >= 0 && (size == 0 ? offset <= 16 : offset + (size - 1) * stride < 16);
        CHECK(made(offset, {size}, {stride}) == (inside ? Ids{} : impossible));
      }
  constexpr Index huge = Index{1} << 62;
  CHECK(made(0, {2, 8}, {8, 1}) == Ids{});
  CHECK(made(0, {2}, {huge}) == impossible);
  CHECK(made(0, {5, 5}, {huge, huge}) == impossible);
  CHECK(made(0, {huge, 4}, {0, 1}) == impossible);
  CHECK(made(0, {huge, 0, 8}, {0, 1, 1}) == impossible);
  CHECK(made(huge, {1}, {1}) == impossible);
  CHECK(made(0, {4}, {1, 1}) == impossible);
  CHECK(made(0, {}, {}) == Ids{});
  CHECK(made(15, {}, {}) == Ids{});
  CHECK(made(16, {}, {}) == impossible);
  CHECK(made(0, std::vector<Index>(64, 1), std::vector<Index>(64, 1)) == Ids{});
  CHECK(made(0, std::vector<Index>(65, 1), std::vector<Index>(65, 1)) == impossible);
  // More elements than there are, by strides of 0.
  CHECK(made(0, {1000}, {0}) == Ids{});
  CHECK(made(0, {Index{1} << 40}, {0}) == impossible);
  const PickleAllows few{.expanded_elements = 100};
  CHECK(error(tensor(storage(16), 0, {100}, {0}), few) == Ids{});
  CHECK(error(tensor(storage(16), 0, {101}, {0}), few) == impossible);
  CHECK(error(tensor(storage(16), 0, {16}, {1}), {.expanded_elements = 1}) == Ids{});
}

TEST_CASE("storages have a size, a number and one type") {
  CHECK(error(tensor(storage(-1), 0, {0}, {1})) == impossible);
  CHECK(error(tensor(storage(Index{1} << 62), 0, {1}, {1})) == impossible);
  CHECK(error(tensor(storage(17), 0, {1}, {1})) == impossible);  // the source has 64 bytes
  CHECK(error(tensor(storage(16, "torch\nFloatStorage\n", "0", "meta"), 0, {1}, {1})) == impossible);
  CHECK(error(tensor(storage(16, "torch\nFloatStorage\n", "0", "cuda:3"), 0, {1}, {1})) == Ids{});
  for (const char* key : {"", "../data.pkl", "a", "-1", "1 ", "0x1", "123456789012345678901"})
    CHECK(error(tensor(storage(16, "torch\nFloatStorage\n", key), 0, {1}, {1})) == refused);
  CHECK(error(tensor(storage(16, "torch\nfloat32\n"), 0, {1}, {1})) == refused);
  const auto two = [](const std::string& a, const std::string& b) {
    return error(tensor(a, 0, {1}, {1}) + tensor(b, 0, {1}, {1}) + "\x86");
  };
  CHECK(two(storage(8), storage(8)) == Ids{});
  CHECK(two(storage(8), storage(8, "torch\nFloatStorage\n", "1")) == Ids{});
  CHECK(two(storage(8), storage(8, "torch\nIntStorage\n")) == impossible);
  CHECK(two(storage(8), storage(9)) == impossible);
  CHECK(error(storage(8)) == refused);  // no value
}

TEST_CASE("parameters, types without a storage class, and tensors with attributes") {
  const std::string plain = tensor(storage(16), 0, {16}, {1});
  const Value parameter = load(pickle("ctorch._utils\n_rebuild_parameter\n" + plain + "\x88}\x87R"));
  CHECK(parameter.as<Tensor>()->parameter);
  CHECK(parameter.as<Tensor>()->requires_grad);
  CHECK(parameter.as<Tensor>()->attributes.is_none());
  const Value state =
      load(pickle("ctorch._utils\n_rebuild_parameter_with_state\n(" + plain + "\x89}}" + text("a") + "K\x01stR"));
  CHECK(state.as<Tensor>()->parameter);
  CHECK_FALSE(state.as<Tensor>()->requires_grad);
  CHECK(concat(state.as<Tensor>()->attributes) == "{'a': 1}");
  const std::string arguments = concat('(', storage(16), number(0), numbers({16}), numbers({1}), "\x89}t");
  const Value typed =
      load(pickle("ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\nctorch\nTensor\n" +
                  arguments + "}" + text("a") + "K\x01stR"));
  CHECK_FALSE(typed.as<Tensor>()->parameter);
  CHECK(concat(typed.as<Tensor>()->attributes) == "{'a': 1}");
  CHECK(error("ctorch._tensor\n_rebuild_from_type_v2\n(ctorch\nSize\nctorch\nTensor\n" + arguments + "NtR") == refused);
  for (const Element element : {Element::uint16, Element::uint32, Element::uint64, Element::float8_e4m3fn}) {
    const auto untyped = [&](Index count) {
      return concat("ctorch._utils\n_rebuild_tensor_v3\n(", storage(64, "torch.storage\nUntypedStorage\n"), number(0),
                    numbers({count}), numbers({1}), "\x89}ctorch\n", name(element), "\ntR");
    };
    CHECK(load(pickle(untyped(64 / bytes(element)))).as<Tensor>()->stored.element == element);
    CHECK(error(untyped(64 / bytes(element) + 1)) == impossible);
  }
}
