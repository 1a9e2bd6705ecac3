#pragma once
#include <shardplan/migrate/additions.hpp>
#include <shardplan/migrate/assemble.hpp>
#include <shardplan/migrate/degrees.hpp>
#include <shardplan/migrate/draft.hpp>
#include <shardplan/migrate/environment.hpp>
#include <shardplan/migrate/judge.hpp>
#include <shardplan/migrate/key_map.hpp>
#include <shardplan/migrate/migration.hpp>
#include <shardplan/migrate/nemo_keys.hpp>
#include <shardplan/migrate/nnm_keys.hpp>
#include <shardplan/migrate/nxdt_keys.hpp>
#include <shardplan/migrate/paths.hpp>
#include <shardplan/migrate/propose.hpp>
#include <shardplan/migrate/relocate.hpp>
#include <shardplan/migrate/report.hpp>
#include <shardplan/migrate/routes.hpp>
#include <shardplan/migrate/source_text.hpp>
#include <shardplan/migrate/transforms.hpp>

/// Configurations of other systems, made into those of NxDT, and back.
///
///     #include <shardplan/config/yaml.hpp>
///     #include <shardplan/migrate.hpp>
///
///     const auto out = shardplan::migrate::migrate(text, {.from = shardplan::migrate::System::nemo},
///                                                  shardplan::read_yaml_text);
///     std::cout << out.text;                    // the NxDT file, with the comments of the source
///     std::cerr << text(out.report);            // report/migration.hpp: what was kept, moved, changed, dropped, added, is to fill
///
/// A migration is data: a row for every key of NeMo 1.14 to 2.1 (`nemo_keys`) and of neuronx-nemo-megatron
/// (`nnm_keys`) says where it goes, how its value changes (`Transform`), what is lost with it and what NxDT would do
/// if it stayed. One engine reads the rows in both directions. A key of no row goes with the nearest section that has
/// one, else it stays where it is; `trainer` and `exp_manager`, which refuse keys that they do not know, lose it.
///
/// The result holds the lines of the source: the comments in front of a key and beside it move with it, values are
/// replaced in place, new keys say why they are there. It is read back and compared; a file that cannot be cut so
/// (anchors, flow style) loses as little of its form as possible, and the report says what.
///
/// Degrees of the source that NxDT can run stay. Others are replaced by the nearest ones that fill nodes of 32 ranks
/// at the same global batch (`propose`). `Report::findings` is what `shardplan check` says about the result, its keys
/// to fill taken for given.
///
/// Shell files with the settings of NNM's launch scripts are read, never run (`read_variables`).
namespace shardplan::migrate {}
