#include <shardplan/data.hpp>

#include "kinds.hpp"

/// Samplers, shuffles, Megatron's data index, context-parallel slices.
namespace conformance {
namespace {

using namespace shardplan;

data::Variant variant_of(const Field& object) {
  const std::string name = object["variant"].text();
  if (name == "v1.14.0") return data::Variant::nemo_1_14;
  if (name == "nnm") return data::Variant::nnm;
  if (name != "v2.1.0") object["variant"].differ("no such variant");
  return data::Variant::nemo_2_1;
}

data::Batches batches_of(const Field& object) {
  const Field params = object["params"];
  return {.samples = params["total_samples"].number(),
          .consumed = params["consumed_samples"].number(),
          .micro_batch = params["micro_batch_size"].number(),
          .global_batch = params.get<Index>("global_batch_size", 1),
          .data_ranks = params["data_parallel_size"].number(),
          .drop_last = params.get("drop_last", true),
          .pad = params.get("pad_samples_to_global_batch_size", false),
          .variant = variant_of(object)};
}

/// The batches of every step of a rank.
template <class Steps, class At>
Json all_steps(const Steps& steps, const At& at) {
  Json out = Json::array();
  for (Index step = 0; step < steps; ++step) {
    Json batch = Json::array();
    for (const Index sample : at(step)) batch.push_back(sample);
    out.push_back(batch);
  }
  return out;
}

void expect_length(const Field& object, Index reported) {
  if (object["len"].json().is_object())
    object["len"]["error"].mark_all(), object.expect("len", reported < 0 ? object.peek("len") : Json(reported));
  else
    object.expect("len", reported);
}

void check_sequential(const Field& object, bool micro) {
  expect_outcome(object, [&] {
    const bool knows_global = object["params"].has("global_batch_size");
    const data::Batches batches = batches_of(object);
    const auto sampler =
        micro ? data::sequential_micro_batches(batches, knows_global) : data::sequential_batches(batches);
    expect_length(object, sampler.reported_length());
    const Index epochs = object.get<Index>("epochs", 1);
    Json got = Json::array();
    for (Index rank = 0; rank < batches.data_ranks; ++rank) {
      Json passes = Json::array();
      for (Index pass = 0; pass < epochs; ++pass)
        passes.push_back(all_steps(sampler.steps(pass), [&](Index step) { return sampler.samples(rank, step, pass); }));
      got.push_back(object.has("epochs") ? passes : passes[0]);
    }
    object.expect("batches", got);
  });
}

void check_random(const Field& object, bool micro) {
  expect_outcome(object, [&] {
    const Field params = object["params"];
    const data::Batches batches = batches_of(object);
    const Index seed = params.get<Index>("seed", 0);
    std::optional<bool> pad;
    if (params.has("pad_samples_to_global_batch_size")) pad = batches.pad;
    auto sampler = micro ? data::random_micro_batches(batches, seed, params.has("global_batch_size"))
                         : data::random_batches(batches, seed, pad);
    expect_length(object, sampler.reported_length());
    const Index epochs = object.get<Index>("epochs", 1);
    std::vector<Json> passes(static_cast<std::size_t>(batches.data_ranks), Json::array());
    for (Index epoch = 0; epoch < epochs; ++epoch) {
      for (Index rank = 0; rank < batches.data_ranks; ++rank)
        passes[static_cast<std::size_t>(rank)].push_back(
            all_steps(sampler.steps(), [&](Index step) { return sampler.samples(rank, step); }));
      sampler = sampler.next();
    }
    Json got = Json::array();
    for (const Json& one : passes) got.push_back(object.has("epochs") ? one : one[0]);
    object.expect("batches", got);
  });
}

void check_distributed(const Field& object) {
  object.skip({"variant"});
  expect_outcome(object, [&] {
    const Field params = object["params"];
    const data::DistributedSampler sampler(
        data::DistributedBatches{.samples = params["dataset_len"].number(),
                                 .data_ranks = params["data_parallel_size"].number(),
                                 .global_batch = params["global_batch_size"].number(),
                                 .shuffle = params["shuffle"].flag(),
                                 .seed = params["seed"].number(),
                                 .epoch = params["epoch"].number(),
                                 .drop_last = params["drop_last"].flag()});
    object.expect("len", sampler.steps());
    Json got = Json::array();
    for (Index rank = 0; rank < sampler.batches().data_ranks; ++rank)
      got.push_back(all_steps(sampler.steps(), [&](Index step) { return sampler.samples(rank, step); }));
    object.expect("batches", got);
  });
}

void check_sampler(const Field& object) {
  const std::string sampler = object["sampler"].text();
  if (sampler == "sequential_batch" || sampler == "sequential_micro")
    check_sequential(object, sampler == "sequential_micro");
  else if (sampler == "random_batch" || sampler == "random_micro")
    check_random(object, sampler == "random_micro");
  else if (sampler == "torch_distributed")
    check_distributed(object);
  else
    object["sampler"].differ("no such sampler");
}

void check_randperm(const Field& object) {
  object.expect("perm", data::torch_randperm(object["n"].as<std::size_t>(), object["seed"].as<std::uint64_t>()));
}

void check_numpy_shuffle(const Field& object) {
  data::NumpyShuffle shuffle(object["seed"].as<std::uint32_t>());
  for (const char* key : {"first", "second"}) {
    std::vector<Index> numbers(object["n"].as<std::size_t>());
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<Index>(i);
    shuffle(std::span(numbers));
    object.expect(key, numbers);
  }
}

void check_words(const Field& object) {
  std::mt19937 draw(object["seed"].as<std::uint32_t>());
  Json words = Json::array();
  for (std::size_t i = 0; i < object.peek("words").size(); ++i) words.push_back(draw());
  object.expect("words", words);
}

void check_index(const Field& object) {
  expect_outcome(object, [&] {
    const Field params = object["params"];
    const data::IndexOptions options{.samples = params["num_samples"].number(),
                                     .sequence = params["seq_length"].number(),
                                     .seed = params["seed"].number(),
                                     .keep_tail = !params["drop_last"].flag(),
                                     .extra_token = params["add_extra_token"].number() == 1};
    const data::MegatronIndex index =
        data::megatron_index(params["sizes"].numbers(), params["documents"].numbers(), options);
    object.expect("tokens_per_epoch", index.tokens_per_epoch);
    object.expect("num_epochs", index.epochs);
    object.expect("doc_idx", index.documents);
    Json starts = Json::array(), files = Json::array();
    for (const data::SampleStart& start : index.starts) starts.push_back({start.document, start.offset});
    object.expect("sample_idx", starts);
    object.expect("shuffle_idx", index.order);
    for (const auto part : {data::IndexPart::documents, data::IndexPart::samples, data::IndexPart::order})
      files.push_back(data::index_file_name("x", "train", options, part));
    object.expect("files", files);
    object.skip({"python_sample_idx_equal"});
  });
}

void check_split(const Field& object) {
  expect_outcome(object, [&] {
    const data::Splits parts = data::splits(object["splits_string"].text(), object["size"].number());
    object.expect("index", {parts[0].begin, parts[1].begin, parts[2].begin, parts[2].end});
  });
}

void check_blend_weights(const Field& object) {
  expect_outcome(object, [&] {
    std::vector<std::string> words;
    for (const Field& word : object["data_prefix"].elements())
      words.push_back(word.json().is_string() ? word.text() : word.as<Json>().dump());
    const bool one = object.peek("num_samples").is_number();
    const std::vector<Index> wanted =
        one ? std::vector<Index>{object["num_samples"].number()} : object["num_samples"].numbers();
    Json prefixes = Json::array(), weights = Json::array(), samples = Json::array();
    for (const data::BlendPart& part : data::blend_parts(words, wanted)) {
      prefixes.push_back(part.prefix);
      weights.push_back(part.weight);
      samples.push_back(one ? Json(part.samples[0]) : Json(part.samples));
    }
    object.expect("prefixes", prefixes);
    object.expect("weights", weights);
    object.expect("num_samples_per_dataset", samples);
  });
}

void check_blend(const Field& object) {
  const auto weights = object["weights_normalized"].as<std::vector<double>>();
  Json parts = Json::array(), samples = Json::array();
  for (const data::BlendedSample& one : data::blend(weights, object["size"].number())) {
    parts.push_back(one.part);
    samples.push_back(one.sample);
  }
  object.expect("dataset_index", parts);
  object.expect("dataset_sample_index", samples);
}

void check_context_slice(const Field& object) {
  object.skip({"batch_size", "batch"});
  expect_outcome(object, [&] {
    const Index context = object["cp_size"].number();
    Json ranks = Json::array();
    for (Index rank = 0; rank < context; ++rank) {
      Json fields = Json::object();
      for (const std::string& name : object["batch"].keys()) {
        Json rows = Json::array();
        for (const Field& row : object["batch"][name].elements())
          rows.push_back(
              data::context_slice(row.numbers(), object["seq_len"].number(), context, rank, name == "labels"));
        fields[name] = rows;
      }
      ranks.push_back(fields);
    }
    object.expect("ranks", ranks);
  });
}

constexpr struct {
  const char* name;
  void (*check)(const Field&);
} by_kind[] = {{"torch_randperm", check_randperm},
               {"numpy_randomstate_shuffle_twice", check_numpy_shuffle},
               {"mt19937_first_words", check_words},
               {"megatron_index", check_index},
               {"split", check_split},
               {"blend_weights", check_blend_weights},
               {"blend", check_blend},
               {"cp_slice", check_context_slice}};

/// The check of a case that names its kind; null: it is none of these.
void (*check_of(const Json& object))(const Field&) {
  for (const auto& kind : by_kind)
    if (is(object, "kind", kind.name)) return kind.check;
  return nullptr;
}

}  // namespace

Kinds data_kinds() {
  constexpr auto element = Kind::Scope::element;
  return {{"sampler", element,
           [](const Json& o, const Json&) {
             return has(o, {"sampler", "params"});
           },
           check_sampler},
          {"data", element, [](const Json& o, const Json&) { return check_of(o) != nullptr; },
           [](const Field& object) {
             object["kind"].text();
             check_of(object.json())(object);
           }}};
}

}  // namespace conformance
