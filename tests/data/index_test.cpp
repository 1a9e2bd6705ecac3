#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include <shardplan/data.hpp>

#include "../thrown.hpp"

using namespace shardplan;
using Numbers = std::vector<Index>;

TEST_CASE("shuffles: permutations, the same for the same seed, whatever is prefetched") {
  for (const std::size_t n : {0UL, 1UL, 2UL, 63UL, 64UL, 65UL, 128UL, 129UL, 1000UL}) {
    data::Permutation torch = data::torch_randperm(n, 7);
    CHECK(torch == data::torch_randperm(n, 7 + (std::uint64_t{1} << 32)));
    // The definition, draw by draw.
    data::Permutation plain(n);
    std::iota(plain.begin(), plain.end(), 0U);
    std::mt19937 draw(7);
    for (std::size_t i = 0; i + 1 < n; ++i) std::swap(plain[i], plain[i + draw() % (n - i)]);
    CHECK(torch == plain);

    std::vector<std::int64_t> numpy(n), expected(n);
    std::iota(numpy.begin(), numpy.end(), 0);
    std::iota(expected.begin(), expected.end(), 0);
    data::NumpyShuffle shuffle(11);
    std::mt19937 words(11);
    for (int times = 0; times < 2; ++times) {
      shuffle(std::span(numpy));
      for (std::size_t i = n; i-- > 1;) {
        std::uint32_t mask = 1;
        while (mask < i) mask = 2 * mask + 1;
        std::uint32_t to = static_cast<std::uint32_t>(words()) & mask;
        while (to > i) to = static_cast<std::uint32_t>(words()) & mask;
        std::swap(expected[i], expected[to]);
      }
      CHECK(numpy == expected);
    }
  }
  CHECK(thrown([] { data::torch_randperm((std::size_t{1} << 32) + 1, 0); }) == Ids{"SP-DATA-005"});
}

TEST_CASE("Megatron's index: samples lie behind one another in the stream of documents") {
  std::mt19937 words(3);
  const auto draw = [&words] { return static_cast<Index>(words()); };
  for (int round = 0; round < 60; ++round) {
    Numbers sizes(static_cast<std::size_t>(1 + draw() % 20)), documents;
    for (Index& size : sizes) size = draw() % 30;
    for (std::size_t d = 0; d < sizes.size(); ++d)
      if (draw() % 4 != 0 || d == 0) documents.push_back(static_cast<Index>(d));
    sizes[0] += 1;
    const data::IndexOptions options{.samples = 1 + draw() % 40,
                                     .sequence = 1 + draw() % 12,
                                     .seed = draw(),
                                     .extra_token = draw() % 2 == 0};
    const auto index = data::megatron_index(sizes, documents, options);
    const Index extra = options.extra_token ? 1 : 0;
    CHECK(index.size() >= options.samples);
    CHECK((index.epochs == 1 ||
           ((index.epochs - 1) * index.tokens_per_epoch - extra) / options.sequence < options.samples));
    // Every document once an epoch.
    Numbers read = index.documents, expected;
    for (Index e = 0; e < index.epochs; ++e) expected.insert(expected.end(), documents.begin(), documents.end());
    std::sort(read.begin(), read.end());
    std::sort(expected.begin(), expected.end());
    CHECK(read == expected);
    // Every sample once.
    data::Permutation order = index.order;
    std::sort(order.begin(), order.end());
    for (std::size_t i = 0; i < order.size(); ++i) CHECK(order[i] == i);
    // Sample k begins at token k * sequence.
    Numbers before{0};
    for (const Index d : index.documents) before.push_back(before.back() + sizes[static_cast<std::size_t>(d)]);
    REQUIRE(index.starts.size() == index.order.size() + 1);
    for (std::size_t k = 0; k < index.starts.size(); ++k) {
      const data::SampleStart& start = index.starts[k];
      CHECK(before[static_cast<std::size_t>(start.document)] + start.offset ==
            static_cast<Index>(k) * options.sequence);
      CHECK(start.offset <= sizes[static_cast<std::size_t>(index.documents[static_cast<std::size_t>(start.document)])]);
    }
  }
  const Numbers sizes{4, 4};
  CHECK(thrown([&] {
          data::megatron_index(sizes, Numbers{0, 2}, {.samples = 1, .sequence = 1});
        }) == Ids{"SP-DATA-010"});
  CHECK(thrown([&] { data::megatron_index(Numbers{0}, Numbers{0}, {.samples = 1, .sequence = 1}); }) ==
        Ids{"SP-DATA-010"});
  CHECK(thrown([&] { data::megatron_index(Numbers{-1}, Numbers{0}, {.samples = 1, .sequence = 1}); }) ==
        Ids{"SP-DATA-010"});
  CHECK(thrown([&] { data::megatron_index(sizes, Numbers{0}, {.samples = 0, .sequence = 1}); }) == Ids{"SP-DATA-001"});
  CHECK(thrown([&] { data::megatron_index(sizes, Numbers{0}, {.samples = 1, .sequence = 0}); }) == Ids{"SP-DATA-001"});
}

TEST_CASE("splits: three parts that cover the documents") {
  for (const char* text : {"980,10,10", "1,1,1", "98/1/1", " 1 , 2,3.5", "0,0,1"})
    for (Index documents = 1; documents < 60; ++documents) {
      const data::Splits parts = data::splits(text, documents);
      CHECK(parts[0].begin == 0);
      CHECK(parts[0].end == parts[1].begin);
      CHECK(parts[1].end == parts[2].begin);
      CHECK(parts[2].end == documents);
    }
  for (const char* text : {"", "1", "1,2", "1,2,3,4", "1,x,2", "1,,2", "-1,1,1", "0,0,0", "inf,1,1", "nan,1,1"})
    CHECK_MESSAGE(thrown([&] { data::splits(text, 10); }) == Ids{"SP-DATA-006"}, text);
}

TEST_CASE("blends: every data set in proportion to its weight at every moment") {
  const std::vector<double> weights{0.1, 0.2, 0.3, 0.4};
  const auto samples = data::blend(weights, 1000);
  Numbers taken(weights.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    CHECK(samples[i].sample == taken[samples[i].part]++);
    for (std::size_t part = 0; part < weights.size(); ++part)
      CHECK(std::abs(static_cast<double>(taken[part]) - weights[part] * static_cast<double>(i + 1)) < 2);
  }
  const std::vector<std::string> prefix{"2", " a b ", "6", "c"};
  const auto parts = data::blend_parts(prefix, Numbers{500});
  CHECK(parts == std::vector<data::BlendPart>{{"a b", 0.25, {126}}, {"c", 0.75, {377}}});
  const auto refused = [](const std::vector<std::string>& words) {
    return thrown([&] { data::blend_parts(words, Numbers{1}); }) == Ids{"SP-DATA-007"};
  };
  CHECK(refused({}));
  CHECK(refused({"1", "a", "1"}));
  CHECK(refused({"x", "a"}));
  CHECK(refused({"-1", "a", "2", "b"}));
  CHECK(refused({"0", "a"}));
  CHECK(thrown([] { data::blend(std::vector<double>{}, 1); }) == Ids{"SP-DATA-007"});
  CHECK(thrown([] { data::blend(std::vector<double>(255, 1.0), 1); }) == Ids{"SP-DATA-007"});
  CHECK(thrown([] { data::blend(std::vector<double>{-1, 2}, 1); }) == Ids{"SP-DATA-007"});
}

TEST_CASE("context slices: the parts behind one another are the sequence, labels one on") {
  for (Index context = 1; context <= 4; ++context)
    for (const Index rows : {1, 3}) {
      const Index sequence = 12;
      Numbers tokens(static_cast<std::size_t>(rows * sequence));
      std::iota(tokens.begin(), tokens.end(), 100);
      std::vector<Numbers> joined(2, Numbers(tokens.size()));
      for (Index rank = 0; rank < context; ++rank) {
        const Interval part = data::context_part(sequence, context, rank);
        for (const bool labels : {false, true}) {
          const Numbers slice = data::context_slice(tokens, sequence, context, rank, labels);
          REQUIRE(static_cast<Index>(slice.size()) == rows * part.size());
          for (Index row = 0; row < rows; ++row)
            std::copy_n(slice.begin() + row * part.size(), part.size(),
                        joined[labels].begin() + row * sequence + part.begin);
        }
      }
      CHECK(joined[0] == tokens);
      for (Index at = 0; context > 1 && at < rows * sequence; ++at)
        CHECK(joined[1][static_cast<std::size_t>(at)] ==
              ((at + 1) % sequence == 0 ? data::ignored_label : tokens[static_cast<std::size_t>(at + 1)]));
    }
  CHECK(data::context_slice(Numbers{1, 2}, 1, 2, 1) == Numbers{1, 2});  // one column: whole on every rank
  CHECK(thrown([] { data::context_part(8, 3, 0); }) == Ids{"SP-DATA-009"});
  CHECK(thrown([] { data::context_part(8, 2, 2); }) == Ids{"SP-DATA-009"});
  CHECK(thrown([] { data::context_slice(Numbers{1, 2, 3}, 2, 1, 0); }) == Ids{"SP-LAYOUT-010"});
}
