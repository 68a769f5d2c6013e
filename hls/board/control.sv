// control - what a host may ask a running accelerator and tell it: identity, soft reset, errors, counters, other weights.
//
// 32-bit registers by byte address; what is not listed reads as zero, and writes to it do nothing.
//   0x00 MAGIC     0x6C667768, "hwfl"
//   0x04 VERSION   2, of this table
//   0x08 DESIGN    the design's id, as design.json has it
//   0x0C HASH_LOW  0x10 HASH_HIGH    31 bits each of the hash of the network's hardware, as design.json has it
//   0x14 CONTROL   write bit 0: reset the network for 16 cycles, and forget every image inside; bit 1: clear what follows
//                  read bit 0: the reset is still on
//   0x18 STATUS    bit 0: a packet was broken since the last clear; bit 1: an image is inside;
//                  bit 2: the weights are a mixture, no image may enter; bit 3: a load was refused since the last clear
//   0x1C ERRORS    broken packets
//   0x20 IMAGES    images that began to enter        0x24 ANSWERS   answers that left
//   0x28 INTERVAL  cycles between the ends of the last two answers: the cycles an image takes, where the host keeps up
//   0x2C FASTEST   the least of them                 0x30 LATENCY   cycles from the first beat of the last image that found
//                                                                   the accelerator empty to the end of its answer, both counted
//   0x34 STARVED   cycles in which an answer was offered and not taken
//   0x38 HELD_UP   cycles in which a beat was offered and not taken
//   0x3C CYCLES    cycles since the last clear
//   0x40 LOAD      write four bytes of weights, low byte first (see loader)
//   0x44 LOADED    bytes taken since the load began; write anything: a load begins, unless an image is inside
//   0x48 WEIGHTS   CRC-32 of the weights inside, as they are loaded; 0 while a load is under way
//   0x4C CAPACITY  bytes that a load takes; 0: this hardware's weights are fixed
// Counters wrap. Counters 0 leaves out those from INTERVAL on (they read as zero), for the smallest parts.

module control #(
  parameter int unsigned DesignId = 0,
  parameter int unsigned HashLow  = 0,
  parameter int unsigned HashHigh = 0,
  parameter bit          Counters = 1'b1,
  parameter int unsigned LoadBytes  = 0,
  parameter int unsigned WeightsCrc = 0
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic [4:0]  addr_i,       // of a word
  input  logic        write_i,      // one cycle
  output logic        ready_o,      // a write is taken
  input  logic [31:0] data_i,
  output logic [31:0] data_o,       // two cycles after addr_i
  output logic        run_no,       // reset of the network, active low
  // what happens, each looked at one cycle late, so that no path leads from it to a counter
  input  logic        first_i,      // an image begins to enter
  input  logic        done_i,       // the last beat of an answer leaves
  input  logic        error_i,
  input  logic        busy_i,
  input  logic        refused_i,    // a beat is offered and not taken
  input  logic        waiting_i,    // an answer is offered and not taken
  input  logic        coming_i,     // an image is inside or about to enter: weights stay
  output logic        hold_o,       // nothing may enter
  output logic [9:0]  load_o        // the chain of load_word
);
  localparam logic [31:0] Magic = 32'h6C667768, Version = 32'd2;
  localparam logic [4:0] Control = 5'd5, Load = 5'd16, Loaded = 5'd17;
  localparam int unsigned Hold = 16;  // cycles of a soft reset

  logic first_q, done_q, error_q, busy_q, refused_q, waiting_q;
  always_ff @(posedge clk_i) begin
    {first_q, done_q, error_q} <= rst_ni ? {first_i, done_i, error_i} : '0;
    {busy_q, refused_q, waiting_q} <= {busy_i, refused_i, waiting_i};
  end

  logic [4:0]  reset_q;
  logic        clear, broken_q, load_done, load_refused, refused_load_q, whole;
  logic [31:0] loaded, weights;
  logic [31:0] errors_q, images_q, answers_q;
  logic [31:0] interval, fastest, latency, starved, held_up, cycles;

  assign clear  = write_i && addr_i == Control && data_i[1];
  assign run_no = reset_q == '0;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) reset_q <= 5'(Hold);
    else if ((write_i && addr_i == Control && data_i[0]) || load_done) reset_q <= 5'(Hold);
    else if (reset_q != '0) reset_q <= reset_q - 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni || clear) begin
      broken_q  <= 1'b0;
      refused_load_q <= 1'b0;
      errors_q  <= '0;
      images_q  <= '0;
      answers_q <= '0;
    end else begin
      if (error_q) broken_q <= 1'b1;
      if (load_refused) refused_load_q <= 1'b1;
      errors_q  <= errors_q + 32'(error_q);
      images_q  <= images_q + 32'(first_q);
      answers_q <= answers_q + 32'(done_q);
    end
  end

  loader #(
    .LoadBytes(LoadBytes), .WeightsCrc(WeightsCrc)
  ) load (
    .clk_i(clk_i), .rst_ni(rst_ni && !(write_i && addr_i == Control && data_i[0])), .begin_i(write_i && addr_i == Loaded),
    .busy_i(coming_i), .word_valid_i(write_i && addr_i == Load), .word_i(data_i), .ready_o(ready_o), .load_o(load_o),
    .hold_o(hold_o), .done_o(load_done), .refused_o(load_refused), .whole_o(whole), .loaded_o(loaded), .weights_o(weights)
  );

  if (Counters) begin : gen_counters
    logic [31:0] cycles_q, since_q, interval_q, fastest_q, latency_q, latency_age_q, starved_q, held_up_q;
    logic        one_left_q, alone_q, new_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni || clear) begin
        cycles_q   <= '0;
        starved_q  <= '0;
        held_up_q  <= '0;
        interval_q <= '0;
        fastest_q  <= '1;
        latency_q  <= '0;
      end else begin
        cycles_q  <= cycles_q + 1'b1;
        starved_q <= starved_q + 32'(waiting_q);
        held_up_q <= held_up_q + 32'(refused_q);
        if (done_q && one_left_q) interval_q <= since_q;
        if (new_q && interval_q < fastest_q) fastest_q <= interval_q;
        if (done_q && alone_q) latency_q <= latency_age_q;
      end
    end
    always_ff @(posedge clk_i) begin
      since_q <= done_q ? 32'd1 : since_q + 1'b1;
      new_q   <= done_q && one_left_q && rst_ni && !clear;
      latency_age_q <= first_q && !busy_q ? 32'd2 : latency_age_q + 1'b1;
      if (!rst_ni || clear || !run_no) begin
        one_left_q <= 1'b0;
        alone_q    <= 1'b0;
      end else begin
        if (done_q) one_left_q <= 1'b1;
        if (first_q && !busy_q) alone_q <= 1'b1;
        else if (done_q) alone_q <= 1'b0;
      end
    end
    assign cycles   = cycles_q;
    assign interval = interval_q;
    assign fastest  = fastest_q;
    assign latency  = latency_q;
    assign starved  = starved_q;
    assign held_up  = held_up_q;
  end else begin : gen_no_counters
    assign {cycles, interval, fastest, latency, starved, held_up} = '0;
    logic unused;
    assign unused = &{refused_q, waiting_q};
  end

  // two steps, because the registers lie all over the part: of each four the one that is meant, then of these the one
  logic [4:0][3:0][31:0] values;
  logic [4:0][31:0]      some_q;
  logic [2:0]            four_q;
  always_comb begin
    values = '0;
    values[0][0] = Magic;
    values[0][1] = Version;
    values[0][2] = 32'(DesignId);
    values[0][3] = 32'(HashLow);
    values[1][0] = 32'(HashHigh);
    values[1][1] = {31'b0, !run_no};
    values[1][2] = {28'b0, refused_load_q, !whole, busy_q, broken_q};
    values[1][3] = errors_q;
    values[2][0] = images_q;
    values[2][1] = answers_q;
    values[2][2] = interval;
    values[2][3] = fastest;
    values[3][0] = latency;
    values[3][1] = starved;
    values[3][2] = held_up;
    values[3][3] = cycles;
    values[4][1] = loaded;
    values[4][2] = weights;
    values[4][3] = 32'(LoadBytes);
  end
  always_ff @(posedge clk_i) begin
    for (int g = 0; g < 5; g++) some_q[g] <= values[g][addr_i[1:0]];
    four_q <= addr_i[4:2];
    data_o <= four_q < 3'd5 ? some_q[four_q] : '0;
  end
endmodule
