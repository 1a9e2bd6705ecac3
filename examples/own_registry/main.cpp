// A trainer plans the tensors that it already has: five answers beside its own type, and nothing is copied.
#include <cstdio>
#include <shardplan/shardplan.hpp>
#include <span>
#include <string>
#include <vector>

namespace sp = shardplan;

namespace trainer {

enum class Kind { embedding, norm, column, row, head };

struct Tensor {
  std::string path;
  Kind kind;
  std::vector<long> sizes;
  int layer = 0;
  std::vector<float> values{};  // what this process will allocate
};

std::string_view name(const Tensor& t) { return t.path; }
sp::Dtype dtype(const Tensor&) { return sp::Dtype::float32; }

sp::Shape shape(const Tensor& t) {
  sp::Shape out;
  out.append(t.sizes);
  return out;
}

sp::Sharding sharding(const Tensor& t) {
  switch (t.kind) {
    case Kind::norm:
      return sp::replicated();
    case Kind::row:
      return sp::cut(1, t.sizes[1]);
    default:
      return sp::cut(0, t.sizes[0]);
  }
}

sp::Owner owner(const Tensor& t) {
  switch (t.kind) {
    case Kind::embedding:
      return {sp::Owner::Kind::first, {}};
    case Kind::head:
      return {sp::Owner::Kind::last, {}};
    default:
      return {sp::Owner::Kind::layer, t.layer};
  }
}

std::vector<Tensor> registry() {
  std::vector<Tensor> out{{"embedding", Kind::embedding, {1024, 64}}};
  for (int i = 0; i < 4; ++i) {
    const std::string layer = "layers." + std::to_string(i);
    out.push_back({layer + ".norm", Kind::norm, {64}, i});
    out.push_back({layer + ".up", Kind::column, {256, 64}, i});
    out.push_back({layer + ".down", Kind::row, {64, 256}, i});
  }
  out.push_back({"head", Kind::head, {1024, 64}});
  return out;
}

}  // namespace trainer

int main() {
  std::vector<trainer::Tensor> registry = trainer::registry();
  const sp::Strategy strategy{.tensor = 2, .pipeline = 2, .zero1 = true};
  const sp::BasicPlan<std::span<const trainer::Tensor>> plan(registry, strategy, {.ranks = 8});

  const auto here = plan.at(7);
  for (const auto& p : here.parameters()) {
    // source() is the trainer's own record, so its place in the registry is known without looking up names.
    trainer::Tensor& mine = registry[static_cast<std::size_t>(&p.source() - registry.data())];
    mine.values.resize(static_cast<std::size_t>(p.shard().elements()));
    std::printf("%-14s %s of %s\n", mine.path.c_str(), sp::concat(p.local_shape()).c_str(),
                sp::concat(p.full_shape()).c_str());
  }
  for (const auto& s : here.optimizer_shards())
    for (const sp::Piece& piece : s.pieces())
      std::printf("%-14s state from %s on\n", s.source().path.c_str(), sp::concat(piece.global).c_str());
}
