// board_uart - the network behind a serial line: what every board with a USB serial bridge runs.
//
// A READ frame asks for one of the registers of `control` (its address is the frame's tag); ERRORS counts frames whose CRC is
// wrong. A WRITE frame writes a register (its address is the low byte of the tag) and is answered with the value of LOADED.
// Of the words written to LOAD, one is taken only when the high byte of its tag is the number of the word that is due (its low
// 8 bits), so what the line loses or doubles is sent again. A load is refused while an image is inside or waits. A HELLO frame resets the network, so a host that starts finds it empty. See link_rx, link_tx and hwflow/driver.py.

module board_uart #(
  parameter int unsigned InBits   = 8,
  parameter int unsigned InWords  = 1,
  parameter int unsigned OutBits  = 8,
  parameter int unsigned OutWords = 1,
  parameter int unsigned DesignId = 0,
  parameter int unsigned HashLow  = 0,
  parameter int unsigned HashHigh = 0,
  parameter bit          Counters = 1'b1,
  parameter int unsigned LoadBytes  = 0,  // of the weights that can be loaded; 0: they are fixed
  parameter int unsigned WeightsCrc = 0,
  parameter int unsigned ClockHz  = 25000000,
  parameter int unsigned Baud     = 1000000
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic rx_i,
  output logic tx_o
);
  localparam int unsigned InBytes = InWords * ((InBits + 7) / 8), OutBytes = OutWords * ((OutBits + 7) / 8);

  logic hello, busy, read, write, error, first, done, loaded_n, unused_last;
  logic [31:0] write_data;
  logic [15:0] tag;

  // the network is reset for a few cycles after each HELLO
  logic [2:0] flush_q;
  logic run_n_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni || hello) flush_q <= '1;
    else if (flush_q != 0) flush_q <= flush_q - 1'b1;
    run_n_q <= !(!rst_ni || hello || flush_q != 0 || !loaded_n);
  end

  logic rx_valid, image_valid, image_ready, answer_valid, answer_ready, tx_valid, tx_ready;
  logic [7:0] rx_data, image_data, answer_data, tx_data;
  logic [15:0] image_tag, answer_tag;

  // a word of weights is taken in its turn only; LOADED is told when its bytes are on their way
  localparam logic [7:0] Load = 8'h40, Loaded = 8'h44;
  logic [7:0] words_q;
  logic [6:0] told_q;
  logic [9:0] load;
  logic       hold, enters, put, unused_ready;
  assign put         = LoadBytes != 0 && write && (tag[7:0] != Load || tag[15:8] == words_q);
  assign image_ready = enters && !hold;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      words_q <= '0;
      told_q  <= '0;
    end else begin
      told_q <= LoadBytes != 0 && write ? '1 : told_q == '0 ? '0 : told_q - 1'b1;
      if (put && tag[7:0] == Loaded) words_q <= '0;
      else if (put && tag[7:0] == Load) words_q <= words_q + 1'b1;
    end
  end

  // a register's value is there four cycles after its READ, and a write a cycle after its WRITE; the line is far slower
  logic [3:0]  read_q;
  logic [15:0] read_tag_q;
  logic [31:0] put_data_q;
  logic [4:0]  addr_q;
  logic        put_q;
  logic [31:0] value;
  logic        working;
  logic [4:0]  images_q;  // images between the link's two ends, 16 at most

  uart_rx #(.ClockHz(ClockHz), .Baud(Baud)) rx (
    .clk_i(clk_i), .rst_ni(rst_ni), .rx_i(rx_i), .valid_o(rx_valid), .data_o(rx_data)
  );
  link_rx #(.Bytes(InBytes)) from_host (
    .clk_i(clk_i), .rst_ni(rst_ni), .flush_i(!run_n_q), .valid_i(rx_valid), .data_i(rx_data),
    .hello_o(hello), .busy_o(busy), .read_o(read), .write_o(write), .write_data_o(write_data),
    .error_o(error), .tag_o(tag),
    .y_valid_o(image_valid), .y_ready_i(image_ready), .y_data_o(image_data), .y_tag_o(image_tag)
  );
  logic unused_feed;  // weights are not streamed here
  accelerator #(.Bytes(1), .InBits(InBits), .InWords(InWords), .OutBits(OutBits), .OutWords(OutWords), .TagBits(16)) net (
    .clk_i(clk_i), .rst_ni(run_n_q), .load_i(load), .feed_valid_i('0), .feed_data_i('0), .feed_ready_o(unused_feed),
    .x_valid_i(image_valid && !hold), .x_ready_o(enters), .x_data_i(image_data), .x_tag_i(image_tag),
    .y_valid_o(answer_valid), .y_ready_i(answer_ready), .y_data_o(answer_data), .y_tag_o(answer_tag), .y_last_o(unused_last),
    .first_o(first), .done_o(done)
  );
  link_tx #(.Bytes(OutBytes), .DesignId(DesignId)) to_host (
    .clk_i(clk_i), .rst_ni(rst_ni), .hello_i(hello), .busy_i(busy), .tag_i(tag),
    .value_i(read_q[3]), .value_tag_i(read_tag_q), .value_data_i(value),
    .x_valid_i(answer_valid && run_n_q), .x_ready_o(answer_ready), .x_data_i(answer_data), .x_tag_i(answer_tag),
    .y_valid_o(tx_valid), .y_ready_i(tx_ready), .y_data_o(tx_data)
  );
  always_ff @(posedge clk_i) begin
    if (!rst_ni) read_q <= '0;
    else read_q <= {read_q[2:0], read || told_q == 7'd1};
    if (read) read_tag_q <= tag;
    else if (told_q == 7'd1) read_tag_q <= 16'(Loaded);
    put_q      <= rst_ni && put;
    put_data_q <= write_data;
    addr_q     <= put ? tag[6:2] : read_tag_q[6:2];
    if (!run_n_q) images_q <= '0;
    else if (first && !done) images_q <= images_q + 1'b1;
    else if (done && !first) images_q <= images_q - 1'b1;
  end
  assign working = images_q != '0;
  control #(
    .DesignId(DesignId), .HashLow(HashLow), .HashHigh(HashHigh), .Counters(Counters), .LoadBytes(LoadBytes),
    .WeightsCrc(WeightsCrc)
  ) registers (
    .clk_i(clk_i), .rst_ni(rst_ni), .addr_i(addr_q), .write_i(put_q), .ready_o(unused_ready),
    .data_i(put_data_q), .data_o(value), .run_no(loaded_n),
    .first_i(first), .done_i(done), .error_i(error), .busy_i(working),
    .refused_i(image_valid && !image_ready), .waiting_i(answer_valid && !answer_ready),
    .coming_i(working || image_valid), .hold_o(hold), .load_o(load)
  );
  uart_tx #(.ClockHz(ClockHz), .Baud(Baud)) tx (
    .clk_i(clk_i), .rst_ni(rst_ni), .valid_i(tx_valid), .ready_o(tx_ready), .data_i(tx_data), .tx_o(tx_o)
  );
endmodule
