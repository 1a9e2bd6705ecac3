#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <shardplan/layout/shard.hpp>
#include <shardplan/model.hpp>
#include <shardplan/plan.hpp>

namespace sp = shardplan;

namespace {

const sp::Architecture llama{
    .layers = 4, .hidden = 32, .ffn = 64, .heads = 16, .kv_heads = 4, .vocab = 64, .head_dim = 2, .qkv_linear = true};

sp::Architecture unfused() {
  sp::Architecture out = llama;
  out.fuse_qkv = false;
  return out;
}
sp::Architecture equal_heads() {
  sp::Architecture out = llama;
  out.kv_heads = 16;
  out.qkv_linear = false;
  return out;
}
sp::Architecture normformer() {
  sp::Architecture out = equal_heads();
  out.family = sp::Family::megatron;
  out.block = sp::Block::normformer;
  return out;
}
sp::Architecture experts() {
  sp::Architecture out = equal_heads();
  out.family = sp::Family::hf_mixtral;
  out.experts = 4;
  out.top_k = 2;
  return out;
}
sp::Architecture tied() {
  sp::Architecture out = equal_heads();
  out.tied_embeddings = true;
  return out;
}

struct Job {
  sp::Model model;
  sp::Strategy strategy;
  sp::World world;
};

/// Every combination of degrees that a small world takes, for models that differ in what can go wrong.
template <class F>
void for_each_job(F&& f) {
  for (const sp::Architecture& a : {llama, unfused(), equal_heads(), normformer(), experts(), tied()}) {
    const sp::Model model = sp::model(a);
    for (const sp::Hardware hardware : {sp::Hardware::trn1, sp::Hardware::trn2})
      for (const sp::Index t : {1, 2, 4, 8})
        for (const sp::Index p : {1, 2})
          for (const sp::Index c : {1, 2})
            for (const sp::Index d : {1, 2})
              for (const sp::Index e : {1, 2})
                for (const sp::Index m : {1, 2, 4})
                  for (const bool sequence : {false, true})
                    for (const bool zero1 : {false, true}) {
                      if (t % m != 0 || 4 * m % t != 0 || (m > 1 && !a.qkv_linear) || c * d % e != 0) continue;
                      if (e > 1 && a.experts == 0) continue;
                      if (t == 8 && m == 1 && a.qkv_linear) continue;
                      f(Job{model,
                            {.tensor = t,
                             .pipeline = p,
                             .context = c,
                             .expert = e,
                             .kv_replicator = m,
                             .sequence_parallel = sequence,
                             .zero1 = zero1},
                            {.ranks = t * p * c * d, .hardware = hardware, .ranks_per_node = t * d * c}});
                    }
  }
}

/// What NxD does, and what would be right, carried out with numbers on every rank of a small world. It knows ranks and
/// groups as lists, one element, and nothing of layouts' digits.
struct Oracle {
  std::vector<double> gradient;  ///< of the element, by rank; 0 where it is not held
  std::vector<bool> holds;
  double mean = 0;
  double norm = 0;  ///< times that the norm counts the element
};

/// An arbitrary contribution of a rank, no sum of a few of which is another such sum.
double number(sp::Index rank) { return 1 + static_cast<double>((rank * rank * 7919 + rank * 104729) % 10007) / 10007; }

using Lists = std::vector<std::vector<sp::Index>>;

Lists lists(const sp::GroupList& groups) {
  Lists out;
  for (const sp::Group& group : groups) {
    out.emplace_back();
    for (const sp::Rank rank : group) out.back().push_back(rank.value);
  }
  return out;
}

void all_reduce(std::vector<double>& values, const Lists& groups) {
  std::vector<double> before = values;
  for (const auto& group : groups) {
    double sum = 0;
    for (const sp::Index rank : group) sum += before[static_cast<std::size_t>(rank)];
    for (const sp::Index rank : group) values[static_cast<std::size_t>(rank)] = sum;
  }
}
void divide(std::vector<double>& values, sp::Index by) {
  for (double& value : values) value /= static_cast<double>(by);
}

struct Part {
  bool key_value = false;
  bool replicated = false;
  bool sequence = false;  ///< flagged sequence_parallel_enabled
  bool expert = false;
  bool marked = false;
  bool tied = false;
};

/// One element of a parameter that is laid out by `layout`: who holds it is read from shards, who adds to it from what
/// the layer does, and steps follow the sheets in words, in the order in which NxD takes them.
Oracle run(const sp::Layout& layout, std::size_t dim, const Part& part, const sp::Mesh& mesh, const sp::Strategy& s,
           bool nxd, sp::Index element = 0) {
  const auto ranks = static_cast<std::size_t>(mesh.size());
  const sp::View& view = layout.view();
  Oracle out{std::vector<double>(ranks, 0), std::vector<bool>(ranks, false)};
  std::vector<sp::Index> stage_holders = {0};
  if (part.tied && s.pipeline > 1) stage_holders.push_back(s.pipeline - 1);
  for (std::size_t r = 0; r < ranks; ++r) {
    const sp::Place place = view.place(static_cast<sp::Index>(r));
    bool here = false;
    for (const sp::Index stage : stage_holders) here = here || place[view.at(sp::pp)] == stage;
    for (std::size_t d = 0; here && d < layout.rank(); ++d) {
      bool found = false;
      for (const sp::Shard::Segment& run : sp::Shard(layout, place).segments(d))
        found = found || (!run.is_padding() && run.start <= (d == dim ? element : 0) &&
                          (d == dim ? element : 0) < run.start + run.length);
      here = here && (found || (d != dim && d != 0));
    }
    out.holds[r] = here;
  }
  // Backward pass. Tokens are shared among data ranks; those that go to an expert come from all ranks of its group.
  const auto data_index = [&](sp::Index r) {
    const sp::Place place = mesh.dense().place(r);
    return place[mesh.dense().at(sp::dp)] * s.context + place[mesh.dense().at(sp::cp)];
  };
  const sp::Index shares = mesh.data() * s.context;
  const bool each_tensor_rank = part.key_value || (part.sequence && s.sequence_parallel);
  // contribution of share k through tensor rank t on stage p
  const auto contribution = [&](sp::Index k, sp::Index t, sp::Index p) {
    return number(1 + k + shares * ((each_tensor_rank ? t : 0) + s.tensor * (part.tied ? p : 0)));
  };
  // What one element gets: everything that all holders' summands add up to, over the number of shares.
  std::vector<bool> seen_tensor(static_cast<std::size_t>(s.tensor), false);
  for (std::size_t r = 0; r < ranks; ++r) {
    if (!out.holds[r]) continue;
    const sp::Place place = mesh.dense().place(static_cast<sp::Index>(r));
    const sp::Index t = place[mesh.dense().at(sp::tp)], p = place[mesh.dense().at(sp::pp)];
    const sp::Place other = mesh.expert().place(static_cast<sp::Index>(r));
    for (sp::Index k = 0; k < shares; ++k) {
      const bool mine =
          part.expert ? k / s.expert == other[mesh.expert().at(sp::edp)] : k == data_index(static_cast<sp::Index>(r));
      if (mine) out.gradient[r] += contribution(k, t, p);
    }
    seen_tensor[static_cast<std::size_t>(t)] = true;
  }
  bool once = false;
  for (sp::Index t = 0; t < s.tensor; ++t) {
    if (!seen_tensor[static_cast<std::size_t>(t)] || (once && !each_tensor_rank)) continue;
    once = true;
    for (const sp::Index p : stage_holders)
      for (sp::Index k = 0; k < shares; ++k) out.mean += contribution(k, t, p) / static_cast<double>(shares);
  }
  // Ranks without the element hold others, with gradients of their own.
  for (std::size_t r = 0; r < ranks; ++r) {
    bool of_stage = false;
    for (const sp::Index stage : stage_holders)
      of_stage = of_stage || view.place(static_cast<sp::Index>(r))[view.at(sp::pp)] == stage;
    if (!out.holds[r] && of_stage) out.gradient[r] = 100 + number(static_cast<sp::Index>(r) + 1000);
  }

  if (part.key_value) all_reduce(out.gradient, lists(mesh.kv_shared_groups(s.kv_replicator)));
  if (part.tied && s.pipeline > 1) {
    if (!nxd) {
      all_reduce(out.gradient, lists(mesh.shared_weight_groups({0, s.pipeline - 1})));
    } else {  // a rank joins the group whose number is that of its pipeline in the list of pipelines
      const std::vector<double> before = out.gradient;
      const Lists pipelines = lists(mesh.groups(sp::pp)),
                  shared = lists(mesh.shared_weight_groups({0, s.pipeline - 1}));
      for (std::size_t i = 0; i < pipelines.size(); ++i)
        for (const sp::Index rank : pipelines[i]) {
          double sum = 0;
          for (const sp::Index member : shared[i]) sum += before[static_cast<std::size_t>(member)];
          out.gradient[static_cast<std::size_t>(rank)] = sum;
        }
    }
  }
  if (nxd && s.context > 1) {
    divide(out.gradient, s.context);
    all_reduce(out.gradient, lists(mesh.groups(sp::cp)));
  }
  if (part.sequence && s.sequence_parallel) all_reduce(out.gradient, lists(mesh.groups(sp::tp)));
  if (part.expert) {
    all_reduce(out.gradient, lists(mesh.groups(sp::edp)));
    divide(out.gradient, nxd && !s.zero1 ? mesh.data() : shares);
  } else if (nxd && s.zero1 && s.expert == 1) {
    all_reduce(out.gradient, lists(mesh.zero1_groups()));
    divide(out.gradient, shares);
  } else if (nxd) {
    all_reduce(out.gradient, lists(mesh.groups(sp::edp)));
    if (s.expert > 1) all_reduce(out.gradient, lists(mesh.groups(sp::ep)));
    divide(out.gradient, s.zero1 ? shares : mesh.data());
  } else {
    all_reduce(out.gradient, lists(mesh.groups(sp::edp)));
    all_reduce(out.gradient, lists(mesh.groups(sp::ep)));
    divide(out.gradient, shares);
  }

  // The norm: one data rank speaks for all of them, or each for its own slice; the first copy of a tied weight counts.
  for (std::size_t r = 0; r < ranks; ++r) {
    const sp::Place place = mesh.dense().place(static_cast<sp::Index>(r));
    if (!out.holds[r] || place[mesh.dense().at(sp::pp)] != 0) continue;
    if (part.expert ? view.place(static_cast<sp::Index>(r))[view.at(sp::edp)] != 0
                    : data_index(static_cast<sp::Index>(r)) != 0)
      continue;
    sp::Index held = 0;
    for (const sp::Shard::Segment& run : sp::Shard(layout, view.place(static_cast<sp::Index>(r))).segments(dim))
      held += !run.is_padding() && run.start <= element && element < run.start + run.length;
    const sp::Index right = part.key_value ? s.kv_replicator : part.replicated ? s.tensor : 1;
    const sp::Index weight = !nxd ? right : part.marked ? 1 : s.tensor;
    out.norm += static_cast<double>(held) / static_cast<double>(weight);
  }
  return out;
}

double value(sp::Ratio r) { return static_cast<double>(r.numerator) / static_cast<double>(r.denominator); }

}  // namespace

TEST_SUITE("gradients") {
  TEST_CASE("gradients: the audit agrees with sums carried out rank by rank") {
    int checked = 0, mixed = 0, scaled = 0, miscounted = 0;
    for_each_job([&](const Job& job) {
      for (const sp::Dialect& full : {sp::strict, sp::compat}) {
        sp::Dialect dialect = full;
        dialect.nxd_limits = false;  // what NxD refuses can be audited all the same
        if (sp::has_errors(sp::diagnose(job.world, sp::degrees(job.strategy), dialect))) return;
        const sp::Mesh mesh(job.world, sp::degrees(job.strategy), dialect);
        const sp::Strategy& s = job.strategy;
        const sp::tensor::Options options = sp::tensor_options(job.model.architecture, s, job.world, dialect);
        for (const sp::Parameter& p : job.model.parameters) {
          const sp::Owner where = p.owner;
          if (where.kind == sp::Owner::Kind::layer && where.layer != sp::LayerId(0)) continue;
          const sp::View& view = p.sharding.expert ? mesh.expert() : mesh.dense();
          const auto marks = sp::parallel_attributes(p, s.tensor, s.expert, s.sequence_parallel);
          const bool shared = where.kind == sp::Owner::Kind::first_and_last;
          const std::size_t parts = p.sharding.parts.empty() ? 1 : p.sharding.parts.size();
          for (std::size_t i = 0; i < parts; ++i) {
            // The part alone, laid out by the planner, in its own dimension.
            sp::Sharding rule = p.sharding;
            sp::Shape shape = p.shape;
            Part part{.sequence = marks.sequence_parallel_enabled.value_or(false),
                      .expert = rule.expert,
                      .marked = marks.tensor_model_parallel,
                      .tied = shared};
            if (rule.parts.empty()) {
              part.replicated = true;
            } else {
              rule.parts = {p.sharding.parts[i]};
              shape[static_cast<std::size_t>(rule.dim)] = rule.parts[0].size;
              part.key_value = rule.parts[0].role == sp::Role::key_value && options.kv_replicator > 1;
            }
            const sp::Layout layout = sp::tensor::weight_layout(p.name, rule, shape, view, options);
            const sp::Gradient g = sp::gradient(p.sharding, i, marks, shared, mesh, s, options);
            const sp::GradientAudit found = sp::audit(g);
            const Oracle truth = run(layout, static_cast<std::size_t>(rule.dim), part, mesh, s, dialect.layer_faults);
            CAPTURE(p.name);
            CAPTURE(s.tensor);
            CAPTURE(s.pipeline);
            CAPTURE(s.context);
            CAPTURE(s.expert);
            CAPTURE(s.kv_replicator);
            CAPTURE(s.sequence_parallel);
            CAPTURE(s.zero1);
            CAPTURE(mesh.data());
            CAPTURE(sp::name(job.world.hardware));
            CAPTURE(dialect.layer_faults);
            bool right = true;  // is every copy what the audit says?
            for (std::size_t r = 0; r < truth.holds.size(); ++r)
              right = right && (!truth.holds[r] ||
                                truth.gradient[r] == doctest::Approx(value(found.scale) * truth.mean).epsilon(1e-9));
            CHECK(right == !found.mixing.has_value());
            CHECK(!found.missing);
            CHECK(value(found.norm) == doctest::Approx(truth.norm));
            if (!dialect.layer_faults) CHECK(found == sp::GradientAudit{});
            ++checked;
            mixed += found.mixing.has_value();
            scaled += found.scale != sp::Ratio{};
            miscounted += found.norm != sp::Ratio{};
          }
        }
      }
    });
    CHECK(checked > 5000);
    CHECK(mixed > 100);
    CHECK(scaled > 100);
    CHECK(miscounted > 100);
  }

  TEST_CASE("gradients: strict has nothing to say, compat exactly the known faults, with their factors") {
    int jobs = 0;
    for_each_job([&](const Job& job) {
      const sp::Strategy& s = job.strategy;
      const sp::Architecture& a = job.model.architecture;
      for (const sp::Dialect& dialect : {sp::strict, sp::compat}) {
        const sp::Diagnostics all = sp::diagnose(job.model, s, job.world, {}, dialect);
        if (sp::has_errors(all)) continue;
        std::string found;
        for (const sp::Diagnostic& one : all) {
          if (!one.id.starts_with("SP-PLAN-00") || one.id < "SP-PLAN-007") continue;
          found += sp::concat(one.id.substr(8), ' ');
          CHECK(one.severity == sp::Severity::warning);
          CHECK(!one.origins.empty());
          CHECK(!one.hint.empty());
          CHECK(one.message.find(".") != std::string::npos);  // names a parameter
          const auto says = [&one](const std::string& text) {
            CAPTURE(one.message);
            CHECK(one.message.find(text) != std::string::npos);
          };
          if (one.id == "SP-PLAN-007") says(sp::concat(s.context, " times too large"));
          if (one.id == "SP-PLAN-009" && job.world.hardware == sp::Hardware::trn2)
            says(sp::concat("over ", s.kv_replicator, " tensor ranks that hold different rows"));
          if (one.id != "SP-PLAN-008") continue;
          if (a.block == sp::Block::normformer || (a.qkv_linear && a.fuse_qkv)) says(sp::concat("1/", s.tensor));
          if (a.qkv_linear && a.fuse_qkv && s.kv_replicator > 1 && s.kv_replicator < s.tensor)
            says(sp::concat(sp::ratio(s.kv_replicator, s.tensor), " times (k, v)"));
          if (a.qkv_linear && !a.fuse_qkv) says(sp::concat(s.kv_replicator, " times instead of once"));
        }
        ++jobs;
        if (dialect == sp::strict) {
          CHECK(found.empty());
          continue;
        }
        const bool trn2 = job.world.hardware == sp::Hardware::trn2;
        const bool spread = s.tensor == 4 && !trn2 && job.world.ranks_per_node > 4;
        std::string expected;
        if (s.context > 1 && !s.zero1) expected += "007 ";
        if (s.kv_replicator > 1 && (trn2 || spread)) expected += "009 ";
        const bool unmarked = s.tensor > 1 && ((a.qkv_linear && a.fuse_qkv) || a.block == sp::Block::normformer);
        if (unmarked || (a.qkv_linear && s.kv_replicator > 1)) expected += "008 ";
        CAPTURE(s.tensor);
        CAPTURE(s.context);
        CAPTURE(s.kv_replicator);
        CAPTURE(s.zero1);
        CAPTURE(a.qkv_linear);
        CAPTURE(a.fuse_qkv);
        CAPTURE(trn2);
        CHECK(found == expected);
      }
    });
    CHECK(jobs > 300);
  }

  TEST_CASE("gradients: a registry has the faults of its weights, counted") {
    const sp::Model model = sp::llama(llama);
    const sp::Strategy s{.tensor = 8, .context = 2, .kv_replicator = 2};
    const sp::World world{.ranks = 32};
    std::vector<sp::Diagnostic> found;
    for (const sp::Diagnostic& one : sp::diagnose_registry(model.parameters, s, world, {}, sp::compat))
      if (one.id == "SP-PLAN-007" || one.id == "SP-PLAN-008" || one.id == "SP-PLAN-009") found.push_back(one);
    REQUIRE(found.size() == 2);
    CHECK(found[0].id == "SP-PLAN-007");
    CHECK(found[0].message.find(sp::concat(model.parameters[0].name, " and ", model.parameters.size() - 1)) !=
          std::string::npos);
    CHECK(found[1].message.find("weight_qkv and 3 others") != std::string::npos);
  }

  TEST_CASE("gradients: rings and spread tensor groups, where NxD's groups are those of other ranks") {
    int faults = 0, clean = 0, replicated_faults = 0;
    const auto try_world = [&](const sp::World& world, const sp::Strategy& s, const sp::Dialect& full) {
      sp::Dialect dialect = full;
      dialect.nxd_limits = false;
      if (sp::has_errors(sp::diagnose(world, sp::degrees(s), dialect))) return;
      const sp::Mesh mesh(world, sp::degrees(s), dialect);
      const sp::tensor::Options options{1, world.hardware, dialect};
      for (const bool is_tied : {false, true})
        for (const bool cut : {false, true}) {
          if (is_tied && !cut) continue;  // what models tie is a vocabulary, which is cut
          const sp::Sharding rule = cut ? sp::cut(0, 64) : sp::replicated(true);
          const sp::ParallelAttributes marks{.tensor_model_parallel = cut};
          const sp::GradientAudit found = sp::audit(sp::gradient(rule, 0, marks, is_tied, mesh, s, options));
          const Part part{.replicated = !cut, .sequence = !cut, .marked = cut, .tied = is_tied};
          CAPTURE(sp::name(world.hardware));
          CAPTURE(world.ranks);
          CAPTURE(world.ranks_per_node);
          CAPTURE(s.tensor);
          CAPTURE(s.pipeline);
          CAPTURE(s.context);
          CAPTURE(s.expert);
          CAPTURE(s.zero1);
          CAPTURE(cut);
          CAPTURE(is_tied);
          CAPTURE(dialect.layer_faults);
          // Not every element need suffer: the first may sit on ranks that the two orders agree about.
          bool right = true;
          const sp::Layout layout = sp::tensor::weight_layout("w", rule, {64}, mesh.dense(), options);
          for (const sp::Index element : {0, 20, 31, 63}) {
            const Oracle truth = run(layout, 0, part, mesh, s, dialect.layer_faults, element);
            for (std::size_t r = 0; r < truth.holds.size(); ++r)
              right = right && (!truth.holds[r] ||
                                truth.gradient[r] == doctest::Approx(value(found.scale) * truth.mean).epsilon(1e-9));
            CHECK(value(found.norm) == doctest::Approx(truth.norm));
          }
          CHECK(right == !found.mixing.has_value());
          if (!dialect.layer_faults) CHECK(found == sp::GradientAudit{});
          (found.mixing ? faults : clean)++;
          replicated_faults += found.mixing && !cut && !is_tied;
        }
    };
    for (const sp::Dialect& dialect : {sp::strict, sp::compat})
      for (const bool zero1 : {false, true})
        for (const sp::Index p : {1, 2})
          for (const sp::Index c : {1, 2})
            for (const sp::Index d : {1, 2, 3, 4})
              for (const sp::Index e : {1, 2}) {
                if (c * d % e != 0) continue;
                sp::Strategy s{
                    .tensor = 32, .pipeline = p, .context = c, .expert = e, .sequence_parallel = true, .zero1 = zero1};
                const sp::Index shares = p * c * d;
                try_world({.ranks = 32 * shares, .hardware = sp::Hardware::trn2, .ranks_per_node = 64, .lnc = 2}, s,
                          dialect);
                s.tensor = 64;
                if (shares <= 4)
                  try_world({.ranks = 64 * shares, .hardware = sp::Hardware::trn2, .ranks_per_node = 64}, s, dialect);
                s.tensor = 4;
                for (const sp::Index node : {4, 8, 16})
                  try_world({.ranks = 4 * shares, .ranks_per_node = node}, s, dialect);
              }
    CHECK(faults > 10);
    CHECK(clean > 100);
    CHECK(replicated_faults > 0);  // of groups that leave their stage
  }

  TEST_CASE("gradients: KV groups of plain rank numbers are the copies only in nodes of four") {
    for (const sp::Index node : {4, 8, 16, 32})
      for (const sp::Index m : {2, 4}) {
        const sp::World world{.ranks = 32, .ranks_per_node = node};
        const sp::Strategy s{.tensor = 4, .kv_replicator = m, .zero1 = true};
        const sp::Mesh mesh(world, sp::degrees(s), sp::compat);
        const sp::View& view = mesh.dense();
        bool copies = true;
        for (const sp::Group& group : mesh.kv_shared_groups(m)) {
          const sp::Place first = view.place(group[0]);
          for (const sp::Rank rank : group) {
            const sp::Place place = view.place(rank);
            copies = copies && place[view.at(sp::dp)] == first[view.at(sp::dp)] &&
                     place[view.at(sp::tp)] % (4 / m) == first[view.at(sp::tp)] % (4 / m);
          }
        }
        const sp::Sharding rule{.parts = {{"k", 8, sp::Role::key_value}}, .heads = {8, 4, 2}};
        const sp::GradientAudit found = sp::audit(
            sp::gradient(rule, 0, {.tensor_model_parallel = true}, false, mesh, s, {m, world.hardware, sp::compat}));
        CAPTURE(node);
        CAPTURE(m);
        CHECK(copies == !found.mixing.has_value());
        CHECK(copies == (node == 4));
        CHECK(found.norm == sp::Ratio{m, 1});
      }
  }

  TEST_CASE("gradients: each kind of fault is told once, whatever the weights") {
    sp::Architecture a = llama;
    a.heads = 32, a.kv_heads = 8, a.hidden = 64;
    const sp::World world{.ranks = 64, .hardware = sp::Hardware::trn2, .ranks_per_node = 64, .lnc = 2};
    int slices = 0, rows = 0, all = 0;
    for (const sp::Diagnostic& one :
         sp::diagnose(sp::llama(a), {.tensor = 32, .kv_replicator = 4}, world, {}, sp::compat)) {
      if (one.id != "SP-PLAN-009") continue;
      ++all;
      slices += one.message.find("hold other slices") != std::string::npos;
      rows += one.message.find("hold different rows") != std::string::npos;
      CHECK(one.message.find("layernorm") == std::string::npos);
    }
    CHECK(all == 2);
    CHECK(slices == 1);
    CHECK(rows == 1);
  }

  TEST_CASE("gradients: digits that do not fit are refused") {
    const sp::View view({{sp::dp, 12}, {sp::tp, 2}});
    const auto audited = [&](sp::Digit a, sp::Digit b) {
      return sp::audit({.layout = sp::Layout(view, {1}),
                        .summands = {sp::dp},
                        .sums = {{.digits = {a}}, {.digits = {b}}},
                        .shares = 12});
    };
    const auto id = [&](sp::Digit a, sp::Digit b) -> std::string {
      try {
        audited(a, b);
      } catch (const sp::Error& error) {
        return std::string(error.diagnostics()[0].id);
      }
      return {};
    };
    CHECK(id(sp::inner(sp::dp, 2), sp::inner(sp::dp, 3)) == "SP-LAYOUT-006");
    CHECK(id(sp::inner(sp::dp, 5), sp::dp) == "SP-LAYOUT-006");
    CHECK(id(sp::cp, sp::dp) == "SP-MESH-007");
    CHECK(id(sp::inner(sp::dp, 3), sp::outer(sp::dp, 4)).empty());
    // Both digits in turn are the whole axis; one of them alone leaves summands; one of them twice counts twice.
    CHECK(audited(sp::inner(sp::dp, 3), sp::outer(sp::dp, 4)).scale == sp::Ratio{12, 1});
    CHECK(audited(sp::inner(sp::dp, 3), sp::inner(sp::dp, 3)).missing == sp::dp);
    CHECK(audited(sp::dp, sp::inner(sp::dp, 3)).scale == sp::Ratio{36, 1});
    CHECK(audited(sp::tp, sp::dp).scale == sp::Ratio{24, 1});
  }
}
