// Which piece of which tensor does a rank hold, and whom does it talk to? No job, no devices, no Python.
#include <shardplan/shardplan.hpp>

#include <cstdio>
#include <cstdlib>

namespace sp = shardplan;

int main(int argc, char** argv) {
  const sp::Model model = sp::llama({.layers = 80, .hidden = 8192, .ffn = 28672, .heads = 64, .kv_heads = 8, .vocab = 128256, .qkv_linear = true});
  const sp::Strategy strategy{.tensor = 32, .pipeline = 8, .kv_replicator = 4, .sequence_parallel = true, .zero1 = true};
  const sp::Plan plan{model, strategy, sp::World{.ranks = 512, .hardware = sp::Hardware::trn1}};

  const auto here = plan.at(argc > 1 ? std::atoi(argv[1]) : 300);
  std::printf("rank %ld: stage %ld, tensor rank %ld\n", here.rank().value, here.stage().value, here.coordinate(sp::tp));
  for (const auto& p : here.parameters())
    std::printf("%-52s %s\n", p.name().data(), sp::concat(p.local_shape(), " of ", p.full_shape()).c_str());
  sp::Index state = 0;
  for (const auto& s : here.optimizer_shards()) state += s.shard().elements();
  std::printf("optimizer state: 3 x %ld elements\n", state);
  for (const sp::Rank peer : here.group(sp::dp)) std::printf("data-parallel peer %ld\n", peer.value);
  for (const auto& task : here.schedule(8)) std::printf("%s\n", sp::concat(task).c_str());
}
